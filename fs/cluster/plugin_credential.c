#include "kevfs/cluster/plugin_credential.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "kevfs/base/num.h"
#include "kevfs/cluster/answer.h"
#include "kevfs/cluster/file.h"

/* Of a foreign kind or version as a message shows it. */
#define SHOWN_MAX 100
/* It is to stand in a header. */
#define TOKEN_MAX 65536

void kev_plugin_credential_init(struct kev_plugin_credential *credential)
{
	kev_buf_init(&credential->token, KEV_PLUGIN_OUTPUT_MAX);
	kev_buf_init(&credential->certificate, KEV_PLUGIN_OUTPUT_MAX);
	kev_buf_init(&credential->key, KEV_PLUGIN_OUTPUT_MAX);
	credential->expires = INT64_MAX;
}

void kev_plugin_credential_fini(struct kev_plugin_credential *credential)
{
	kev_buf_wipe(&credential->token);
	kev_buf_wipe(&credential->certificate);
	kev_buf_wipe(&credential->key);
	credential->expires = INT64_MAX;
}

static int refuse(struct kev_error *error, const char *what)
{
	kev_error_set(error, "%s", what);
	return -EINVAL;
}

static int shown(struct kev_str s)
{
	return (int)(s.len < SHOWN_MAX ? s.len : SHOWN_MAX);
}

static int check_kind(const json_t *answer, const char *api_version, struct kev_error *error)
{
	struct kev_str kind = kev_answer_string(answer, "kind");
	struct kev_str version = kev_answer_string(answer, "apiVersion");

	if (!kev_str_eq(kind, KEV_STR("ExecCredential"))) {
		kev_error_set(error, "prints an object of kind \"%.*s\", not ExecCredential", shown(kind),
			kind.len ? kind.data : "");
		return -EINVAL;
	}
	if (kev_str_eq(version, kev_str_c(api_version)))
		return 0;
	kev_error_set(error, "answers in version \"%.*s\", but the kubeconfig's apiVersion is %s",
		shown(version), version.len ? version.data : "", api_version);
	return -EINVAL;
}

static bool holds_control(struct kev_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f)
			return true;
	}
	return false;
}

/* A member of the status; none, null and "" are the same. */
static int take(const json_t *status, const char *key, struct kev_buf *out, struct kev_error *error)
{
	const json_t *value = json_object_get(status, key);
	struct kev_str text = kev_answer_string(status, key);

	if (value && !json_is_null(value) && !json_is_string(value)) {
		kev_error_set(error, "prints a status whose %s is not text", key);
		return -EINVAL;
	}
	if (text.len && memchr(text.data, '\0', text.len)) {
		kev_error_set(error, "prints a %s with a NUL in it", key);
		return -EINVAL;
	}
	/* At once, as a reallocation would leave a copy behind. */
	kev_buf_reserve(out, text.len);
	return kev_buf_append_str(out, text);
}

/* "2026-11-27T17:00:00", and what stands behind. @return false where it begins otherwise */
static bool parse_date(struct kev_str *text, struct tm *tm)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	char date[sizeof(form)];

	if (text->len < sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		char c = text->data[i];

		if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i])
			return false;
	}
	memcpy(date, text->data, sizeof(form) - 1);
	date[sizeof(form) - 1] = '\0';
	*tm = (struct tm){.tm_isdst = 0};
	*text = (struct kev_str){text->data + sizeof(form) - 1, text->len - (sizeof(form) - 1)};
	return strptime(date, "%Y-%m-%dT%H:%M:%S", tm) != NULL;
}

/* "Z", "+01:00". @return false where it is neither */
static bool parse_zone(struct kev_str text, int64_t *seconds)
{
	uint64_t hours, minutes;

	*seconds = 0;
	if (kev_str_eq(text, KEV_STR("Z")))
		return true;
	if (text.len != 6 || (text.data[0] != '+' && text.data[0] != '-') || text.data[3] != ':' ||
		kev_num_parse_u64((struct kev_str){text.data + 1, 2}, 23, &hours) ||
		kev_num_parse_u64((struct kev_str){text.data + 4, 2}, 59, &minutes))
		return false;
	*seconds = (int64_t)(hours * 3600 + minutes * 60) * (text.data[0] == '+' ? 1 : -1);
	return true;
}

/* RFC 3339; parts of a second do not matter. The year has four digits, but not all of these fit. */
static bool parse_time(struct kev_str text, int64_t *out)
{
	int64_t zone, seconds;
	struct tm tm;

	if (!parse_date(&text, &tm))
		return false;
	if (text.len > 1 && text.data[0] == '.') {
		size_t digits = 1;

		while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
			digits++;
		if (digits == 1)
			return false;
		text = (struct kev_str){text.data + digits, text.len - digits};
	}
	if (!parse_zone(text, &zone))
		return false;
	seconds = (int64_t)timegm(&tm) - zone;
	if (__builtin_mul_overflow(seconds, KEV_NS_PER_SEC, out))
		*out = seconds < 0 ? INT64_MIN : INT64_MAX;
	return true;
}

static int take_expiry(const json_t *status, int64_t *out, struct kev_error *error)
{
	const json_t *value = json_object_get(status, "expirationTimestamp");

	if (!value || json_is_null(value) ||
		parse_time(kev_answer_string(status, "expirationTimestamp"), out))
		return 0;
	return refuse(error, "prints an expirationTimestamp that is no RFC 3339 time");
}

static int check(const struct kev_plugin_credential *credential, struct kev_error *error)
{
	bool certificate = credential->certificate.len, key = credential->key.len;

	if (!credential->token.len && !certificate && !key)
		return refuse(error, "prints neither a token nor a client certificate");
	if (certificate != key)
		return refuse(error, certificate ? "prints a clientCertificateData without clientKeyData"
						 : "prints a clientKeyData without clientCertificateData");
	if (credential->token.len > TOKEN_MAX)
		return refuse(error, "prints a token of more than 64 KiB");
	if (holds_control(kev_buf_str(&credential->token)))
		return refuse(error, "prints a token with a line break or another control character in it");
	return 0;
}

static int read_status(const json_t *status, struct kev_plugin_credential *out, struct kev_error *error)
{
	int r;

	if (!json_is_object(status))
		return refuse(error, "prints an ExecCredential without a status");
	r = take(status, "token", &out->token, error);
	if (!r)
		r = take(status, "clientCertificateData", &out->certificate, error);
	if (!r)
		r = take(status, "clientKeyData", &out->key, error);
	if (!r)
		r = take_expiry(status, &out->expires, error);
	return r ? r : check(out, error);
}

int kev_plugin_credential_parse(struct kev_str text, const char *api_version,
	struct kev_plugin_credential *out, struct kev_error *error)
{
	KEV_CLEANUP(answer_decrefp) json_t *answer = NULL;
	struct kev_plugin_credential credential;
	int r;

	if (!kev_file_trim(text).len)
		return refuse(error, "prints nothing");
	r = kev_answer_parse(text, &answer);
	if (r == -EINVAL)
		return refuse(error, "prints something that is no JSON object");
	if (r)
		return r;
	kev_plugin_credential_init(&credential);
	r = check_kind(answer, api_version, error);
	if (!r)
		r = read_status(json_object_get(answer, "status"), &credential, error);
	if (r) {
		kev_plugin_credential_fini(&credential);
		return r;
	}
	kev_plugin_credential_fini(out);
	*out = credential;
	return 0;
}
