#include "kevfs/cluster/certificate.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* Copy what was written, cut between two characters, with "..." where it was. */
static void take_text(BIO *bio, char *out, size_t size)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	size_t n = len > 0 ? (size_t)len : 0;

	if (n >= size) {
		n = size - sizeof("...");
		while (n > 0 && ((unsigned char)data[n] & 0xc0) == 0x80)
			n--;
		memcpy(out + n, "...", sizeof("..."));
	} else {
		out[n] = '\0';
	}
	if (n)
		memcpy(out, data, n);
}

static void print_name(const X509_NAME *name, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());

	out[0] = '\0';
	if (!bio)
		return;
	/* Other characters than ASCII stay as they are. */
	if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0)
		take_text(bio, out, size);
	BIO_free(bio);
}

static void print_names(const X509 *certificate, char *out, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	BIO *bio = BIO_new(BIO_s_mem());

	out[0] = '\0';
	for (int i = 0; bio && names && i < sk_GENERAL_NAME_num(names); i++) {
		BIO_puts(bio, i ? ", " : "");
		GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(names, i));
	}
	if (bio && names)
		take_text(bio, out, size);
	BIO_free(bio);
	GENERAL_NAMES_free(names);
}

static int64_t seconds(const ASN1_TIME *time)
{
	struct tm tm;

	return time && ASN1_TIME_to_tm(time, &tm) ? timegm(&tm) : 0;
}

void kev_certificate_take(const struct x509_st *certificate, struct kev_certificate *out)
{
	print_name(X509_get_subject_name(certificate), out->subject, sizeof(out->subject));
	print_name(X509_get_issuer_name(certificate), out->issuer, sizeof(out->issuer));
	print_names(certificate, out->names, sizeof(out->names));
	out->from = seconds(X509_get0_notBefore(certificate));
	out->until = seconds(X509_get0_notAfter(certificate));
	ERR_clear_error();
}

/* A certificate is not encrypted; a terminal must not be asked all the same. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
	(void)text, (void)size, (void)writing, (void)context;
	return -1;
}

int kev_certificate_read(struct kev_str pem, struct kev_certificate *out)
{
	X509 *certificate;
	BIO *bio;

	if (pem.len == 0 || pem.len > INT_MAX)
		return -EINVAL;
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (!bio)
		return -ENOMEM;
	certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!certificate)
		return -EINVAL;
	kev_certificate_take(certificate, out);
	X509_free(certificate);
	return 0;
}
