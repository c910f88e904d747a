#include "kevfs/cluster/status.h"

#include <errno.h>

#include "kevfs/base/text.h"
#include "kevfs/cluster/answer.h"

#define REASON_MAX 256
#define MESSAGE_MAX 1024
/* Of a body that is no Status; a proxy's page says what it says in its first lines. */
#define TEXT_MAX 512
/* A longer wait is as good as this one. */
#define RETRY_AFTER_MAX 3600
/* A Status is under 1 KiB, but for one that lists what it found wrong; what is larger is something else. */
#define STATUS_MAX (1U << 20)

void kev_status_init(struct kev_status *status)
{
	*status = (struct kev_status){.retry_after = -1};
	kev_buf_init(&status->reason, REASON_MAX);
	kev_buf_init(&status->message, MESSAGE_MAX);
}

void kev_status_fini(struct kev_status *status)
{
	kev_buf_fini(&status->reason);
	kev_buf_fini(&status->message);
}

/* The longest beginning of at most max bytes that does not end inside a character. */
static struct kev_str cut(struct kev_str s, size_t max)
{
	size_t len = s.len;

	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)s.data[len] & 0xc0) == 0x80)
			len--;
	}
	return (struct kev_str){s.data, len};
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A page's line breaks and indents as single spaces, so that its text fits a line. */
static void append_text(struct kev_buf *out, struct kev_str text)
{
	size_t i = 0;

	while (i < text.len && out->len < TEXT_MAX) {
		struct kev_str rest = {text.data + i, text.len - i};
		size_t len = kev_text_decode_utf8(rest, NULL);

		if (len == 0)
			len = 1;
		if (is_space(text.data[i])) {
			while (i < text.len && is_space(text.data[i]))
				i++;
			if (out->len && i < text.len)
				kev_buf_append_char(out, ' ');
			continue;
		}
		if (out->len + len > TEXT_MAX)
			return;
		kev_buf_append(out, rest.data, len);
		i += len;
	}
}

static int clamp(const json_t *value, json_int_t max, int otherwise)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0)
		return otherwise;
	return (int)(n < max ? n : max);
}

static void read_details(struct kev_status *status, const json_t *details)
{
	const json_t *causes = json_object_get(details, "causes"), *wait;
	size_t i;
	const json_t *cause;

	/* 0 is what Go leaves out, and says nothing. */
	wait = json_object_get(details, "retryAfterSeconds");
	if (json_integer_value(wait) > 0)
		status->retry_after = clamp(wait, RETRY_AFTER_MAX, -1);
	json_array_foreach(causes, i, cause)
	{
		if (kev_str_eq(kev_answer_string(cause, "reason"), KEV_STR("ResourceVersionTooLarge")))
			status->rv_too_large = true;
	}
}

int kev_status_read(struct kev_status *status, struct kev_str body)
{
	KEV_CLEANUP(answer_decrefp) json_t *answer = NULL;
	struct kev_status found;
	int r = -EINVAL;

	kev_status_init(&found);
	if (body.len <= STATUS_MAX)
		r = kev_answer_parse(body, &answer);
	if (r == 0 && kev_str_eq(kev_answer_string(answer, "kind"), KEV_STR("Status"))) {
		found.code = clamp(json_object_get(answer, "code"), 999, 0);
		kev_buf_append_str(&found.reason, cut(kev_answer_string(answer, "reason"), REASON_MAX));
		kev_buf_append_str(&found.message, cut(kev_answer_string(answer, "message"), MESSAGE_MAX));
		read_details(&found, json_object_get(answer, "details"));
	} else if (r != -ENOMEM) {
		append_text(&found.message, body);
	}
	if (r == -ENOMEM || found.reason.error || found.message.error) {
		kev_status_fini(&found);
		return -ENOMEM;
	}
	kev_status_fini(status);
	*status = found;
	return 0;
}
