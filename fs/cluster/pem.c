#include "kevfs/cluster/pem.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

static bool is_base64(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
	       c == '/';
}

/* Copy what is not a line break; padding may stand only at the end. @return its length, or -1 */
static ssize_t copy_checked(struct kev_str text, char *out, size_t *padding)
{
	size_t len = 0;

	*padding = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '\r' || c == '\n')
			continue;
		if (c == '=')
			(*padding)++;
		else if (!is_base64(c) || *padding)
			return -1;
		out[len++] = c;
	}
	return len % 4 == 0 && *padding <= 2 ? (ssize_t)len : -1;
}

int kev_pem_decode_base64(struct kev_str text, char **out, size_t *out_len)
{
	char *copy, *decoded = NULL;
	size_t padding;
	ssize_t len;
	int r = 0;

	if (text.len > INT_MAX)
		return -EINVAL;
	copy = malloc(text.len + 1);
	if (!copy)
		return -ENOMEM;
	len = copy_checked(text, copy, &padding);
	if (len < 0) {
		r = -EINVAL;
		goto done;
	}
	decoded = malloc((size_t)len / 4 * 3 + 1);
	if (!decoded) {
		r = -ENOMEM;
		goto done;
	}
	/* It counts the bytes that padding stands for, as zeros. */
	if (len && EVP_DecodeBlock((unsigned char *)decoded, (const unsigned char *)copy, (int)len) < 0) {
		r = -EINVAL;
		goto done;
	}
	*out_len = (size_t)len / 4 * 3 - padding;
	decoded[*out_len] = '\0';
	*out = decoded;
	decoded = NULL;
done:
	explicit_bzero(copy, text.len + 1);
	free(copy);
	free(decoded);
	return r;
}

static bool holds(struct kev_str text, const char *what)
{
	return text.data && memmem(text.data, text.len, what, strlen(what));
}

const char *kev_pem_check_certificate(struct kev_str text)
{
	if (holds(text, "-----BEGIN CERTIFICATE-----"))
		return NULL;
	return "holds no certificate (-----BEGIN CERTIFICATE-----)";
}

const char *kev_pem_check_key(struct kev_str text)
{
	if (holds(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds(text, "Proc-Type: 4,ENCRYPTED"))
		return "holds an encrypted key, for which there is no way to ask for the passphrase";
	/* "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY". */
	if (holds(text, "-----BEGIN ") && holds(text, "PRIVATE KEY-----"))
		return NULL;
	return "holds no private key (-----BEGIN PRIVATE KEY-----)";
}
