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

/* Of runs of a plugin none of which was of use: two follow at once (what it kept may have been refused, and
 * is new then), then the time between them doubles. */
#define AT_ONCE 2U
#define DELAY_MIN (1 * KEV_NS_PER_SEC)
#define DELAY_MAX (30 * KEV_NS_PER_SEC)

struct kev_credential {
	const struct kev_cluster_config *config;
	const struct kev_clock *clock;
	struct kev_buf token; /* the last good one of the token file; empty before */
	int64_t read_at;      /* monotonic */
	bool stale;           /* read it again, or run it again, however young */

	struct kev_plugin *plugin; /* NULL: none */
	struct kev_plugin_credential printed;
	unsigned generation; /* of what it printed; 0: nothing yet */
	bool running;
	int failed;           /* the last run, -errno; 0: it did not */
	struct kev_error why; /* of failed */
	unsigned runs;        /* since one was of use */
	int64_t printed_at;   /* monotonic */
	int64_t not_before;   /* monotonic: the next run */
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
	credential->not_before = INT64_MIN;
	kev_buf_init(&credential->token, TOKEN_MAX);
	kev_plugin_credential_init(&credential->printed);
	if (!config->plugin || !kev_cluster_config_is_secure(config))
		return credential;
	credential->plugin = kev_plugin_create(config->plugin, config->helper, clock);
	if (credential->plugin)
		return credential;
	free(credential);
	return NULL;
}

void kev_credential_destroy(struct kev_credential *credential)
{
	if (!credential)
		return;
	kev_plugin_destroy(credential->plugin);
	kev_plugin_credential_fini(&credential->printed);
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

/* ---- the plugin ---- */

static int64_t next_delay(unsigned runs)
{
	int64_t delay = DELAY_MIN;

	if (runs < AT_ONCE)
		return 0;
	while (runs-- > AT_ONCE && delay < DELAY_MAX)
		delay *= 2;
	return delay < DELAY_MAX ? delay : DELAY_MAX;
}

static bool has_expired(const struct kev_credential *credential)
{
	/* What has expired in the moment that it was printed must not keep the plugin running for ever. */
	return kev_clock_realtime(credential->clock) >= credential->printed.expires &&
	       kev_clock_monotonic(credential->clock) >= credential->printed_at + DELAY_MIN;
}

static bool may_run(const struct kev_credential *credential)
{
	return kev_clock_monotonic(credential->clock) >= credential->not_before;
}

/* Whoever waits for it now hears of it before it runs again. */
static void note_failure(struct kev_credential *credential, int r)
{
	int64_t delay = next_delay(credential->runs);

	if (r == -ENOMEM)
		kev_error_set(&credential->why, "%s", strerror(ENOMEM));
	credential->failed = r;
	credential->not_before =
		kev_clock_monotonic(credential->clock) + (delay > DELAY_MIN ? delay : DELAY_MIN);
}

static void start(struct kev_credential *credential)
{
	int r;

	credential->runs++;
	credential->not_before = kev_clock_monotonic(credential->clock) + next_delay(credential->runs);
	r = kev_plugin_start(credential->plugin, &credential->why);
	credential->running = r == 0;
	if (r)
		note_failure(credential, r);
}

/* Is there something to send? What the server has refused is better than nothing until the plugin may run
 * again: then the server says why. */
static int ensure_printed(struct kev_credential *credential, struct kev_error *error)
{
	bool wanted = !credential->generation || credential->stale || has_expired(credential);

	if (wanted && !credential->running && may_run(credential))
		start(credential);
	if (wanted && credential->running)
		return -EAGAIN;
	if (wanted && credential->failed && (!credential->generation || has_expired(credential))) {
		if (error)
			*error = credential->why;
		return credential->failed;
	}
	return 0;
}

unsigned kev_credential_generation(const struct kev_credential *credential)
{
	return credential->generation;
}

void kev_credential_explain(const struct kev_credential *credential, struct kev_error *error)
{
	struct kev_error what = *error;

	if (credential->failed)
		kev_error_set(error, "%s; %s", what.text, credential->why.text);
}

void kev_credential_accepted(struct kev_credential *credential, unsigned generation)
{
	if (generation == credential->generation && generation)
		credential->runs = 0;
}

size_t kev_credential_descriptors(const struct kev_credential *credential, int fds[KEV_PLUGIN_DESCRIPTORS])
{
	return credential->running ? kev_plugin_descriptors(credential->plugin, fds) : 0;
}

int64_t kev_credential_deadline(const struct kev_credential *credential)
{
	return credential->running ? kev_plugin_deadline(credential->plugin) : INT64_MAX;
}

bool kev_credential_look(struct kev_credential *credential)
{
	int r;

	if (!credential->running)
		return false;
	r = kev_plugin_look(credential->plugin, &credential->printed, &credential->why);
	if (r == -EAGAIN)
		return false;
	credential->running = false;
	if (r) {
		note_failure(credential, r);
		return false;
	}
	credential->generation++;
	credential->printed_at = kev_clock_monotonic(credential->clock);
	credential->stale = false;
	credential->failed = 0;
	return true;
}

void kev_credential_pair(
	const struct kev_credential *credential, struct kev_str *certificate, struct kev_str *key)
{
	*certificate = kev_buf_str(&credential->printed.certificate);
	*key = kev_buf_str(&credential->printed.key);
}

void kev_credential_reject(struct kev_credential *credential, const struct kev_error *why)
{
	kev_plugin_credential_fini(&credential->printed);
	credential->printed.expires = INT64_MIN;
	credential->printed_at = INT64_MIN;
	credential->why = *why;
	note_failure(credential, -EACCES);
}

/* ---- the header ---- */

/* The token to send now, empty if there is none. */
static int current_token(struct kev_credential *credential, struct kev_str *out, struct kev_error *error)
{
	const struct kev_cluster_config *config = credential->config;
	int r = 0;

	if (credential->plugin) {
		r = ensure_printed(credential, error);
		*out = kev_buf_str(&credential->printed.token);
		return r;
	}
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

bool kev_credential_refresh(struct kev_credential *credential, unsigned generation)
{
	/* That was another one, and there is a newer one already. */
	if (credential->plugin && generation != credential->generation)
		return true;
	credential->stale = true;
	if (credential->plugin)
		return credential->running || may_run(credential);
	return credential->config->token_file && kev_cluster_config_is_secure(credential->config);
}
