#include "kevfs/cluster/credential.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "kevfs/cluster/file.h"

#define TOKEN_MAX 65536
#define HEADER_MAX (2 * TOKEN_MAX)
/* client-go reads it every minute, 10 s early; the kubelet writes a new one 2 minutes before the old one
 * ends. */
#define TOKEN_AGE_MAX (50 * KEV_NS_PER_SEC)

struct kev_credential {
	const struct kev_cluster_config *config;
	const struct kev_clock *clock;
	struct kev_buf token; /* the last good one of the token file; empty before */
	int64_t read_at;      /* monotonic */
	bool stale;           /* read it again, however young */
};

struct kev_credential *kev_credential_create(
	const struct kev_cluster_config *config, const struct kev_clock *clock)
{
	struct kev_credential *credential = calloc(1, sizeof(*credential));

	if (!credential)
		return NULL;
	credential->config = config;
	credential->clock = clock;
	credential->stale = true;
	kev_buf_init(&credential->token, TOKEN_MAX);
	return credential;
}

void kev_credential_destroy(struct kev_credential *credential)
{
	if (!credential)
		return;
	kev_buf_wipe(&credential->token);
	free(credential);
}

static int check_token(struct kev_str token, const char *path, struct kev_error *error)
{
	if (!token.len) {
		kev_error_set(error, "token file %s is empty", path);
		return -EINVAL;
	}
	for (size_t i = 0; i < token.len; i++) {
		unsigned char c = (unsigned char)token.data[i];

		if (c < 0x20 || c == 0x7f) {
			kev_error_set(error,
				"token file %s holds a line break or another control character in its token",
				path);
			return -EINVAL;
		}
	}
	return 0;
}

static int read_token(struct kev_credential *credential, struct kev_error *error)
{
	const char *path = credential->config->token_file;
	struct kev_buf content;
	struct kev_str token;
	int r;

	kev_buf_init(&content, TOKEN_MAX);
	r = kev_file_read(path, KEV_FILE_REGULAR, &content);
	if (r) {
		kev_error_set(error, "token file %s: %s", kev_file_shown(path), strerror(-r));
		return r;
	}
	token = kev_file_trim(kev_buf_str(&content));
	r = check_token(token, path, error);
	if (r) {
		kev_buf_wipe(&content);
		return r;
	}
	kev_buf_consume(&content, (size_t)(token.data - content.data));
	content.len = token.len;
	kev_buf_wipe(&credential->token);
	credential->token = content;
	credential->read_at = kev_clock_monotonic(credential->clock);
	credential->stale = false;
	return 0;
}

/* The token to send now, empty if there is none. */
static int current_token(struct kev_credential *credential, struct kev_str *out, struct kev_error *error)
{
	const struct kev_cluster_config *config = credential->config;
	int r = 0;

	if (config->token_file &&
		(credential->stale ||
			kev_clock_monotonic(credential->clock) - credential->read_at >= TOKEN_AGE_MAX))
		r = read_token(credential, error);
	if (credential->token.len)
		*out = kev_buf_str(&credential->token);
	else if (config->token)
		*out = kev_str_c(config->token);
	else if (r)
		return r;
	return 0;
}

/* "user:password" in base64. */
static void append_basic(struct kev_buf *header, const struct kev_cluster_config *config)
{
	struct kev_buf plain;
	size_t len;

	kev_buf_init(&plain, TOKEN_MAX);
	kev_buf_reserve(
		&plain, strlen(config->username) + (config->password ? strlen(config->password) : 0) + 1);
	kev_buf_append_c(&plain, config->username);
	kev_buf_append_char(&plain, ':');
	if (config->password)
		kev_buf_append_c(&plain, config->password);
	len = (plain.len + 2) / 3 * 4;
	/* It writes a NUL behind. */
	if (plain.error)
		header->error = plain.error;
	else if (!kev_buf_reserve(header, len + 1))
		header->len += (size_t)EVP_EncodeBlock((unsigned char *)header->data + header->len,
			(const unsigned char *)plain.data, (int)plain.len);
	kev_buf_wipe(&plain);
}

static int build_header(struct kev_credential *credential, struct kev_buf *header, struct kev_error *error)
{
	struct kev_str token = {NULL, 0};
	int r = current_token(credential, &token, error);

	if (r)
		return r;
	if (token.len) {
		kev_buf_reserve(header, sizeof("Authorization: Bearer ") + token.len);
		kev_buf_append_c(header, "Authorization: Bearer ");
		kev_buf_append_str(header, token);
	} else if (credential->config->username) {
		kev_buf_append_c(header, "Authorization: Basic ");
		append_basic(header, credential->config);
	}
	return header->error;
}

int kev_credential_header(struct kev_credential *credential, struct kev_buf *out, struct kev_error *error)
{
	struct kev_buf header;
	int r = 0;

	kev_buf_init(&header, HEADER_MAX);
	if (kev_cluster_config_is_secure(credential->config))
		r = build_header(credential, &header, error);
	if (!r && header.len > out->max)
		r = -EMSGSIZE;
	if (r) {
		kev_buf_wipe(&header);
		return r;
	}
	header.max = out->max;
	kev_buf_wipe(out);
	*out = header;
	return 0;
}

bool kev_credential_refresh(struct kev_credential *credential)
{
	credential->stale = true;
	return credential->config->token_file && kev_cluster_config_is_secure(credential->config);
}
