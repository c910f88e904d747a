#include "kevfs/event/line.h"

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/text.h"
#include "kevfs/event/timestamp.h"

/* Of RFC 3339 with nine fraction digits, what stands before the last six. */
#define MILLISECONDS_LEN 23

/* Most text is plain: it is taken a run at a time. */
static size_t plain_run(struct kev_str s, bool spaces)
{
	size_t len = 0;

	while (len < s.len && s.data[len] >= (spaces ? 0x20 : 0x21) && s.data[len] < 0x7f &&
		s.data[len] != '\\')
		len++;
	return len;
}

static void append_special(struct kev_buf *out, struct kev_str character, bool valid)
{
	switch (character.data[0]) {
	case '\n':
		kev_buf_append_c(out, "\\n");
		return;
	case '\t':
		kev_buf_append_c(out, "\\t");
		return;
	case '\r':
		kev_buf_append_c(out, "\\r");
		return;
	case '\\':
		kev_buf_append_c(out, "\\\\");
		return;
	case ' ':
		kev_buf_append_c(out, "\\x20");
		return;
	default:
		break;
	}
	if (valid) {
		kev_text_append_escaped(out, character);
		return;
	}
	kev_buf_printf(out, "\\x%02x", (unsigned char)character.data[0]);
}

static void append_text(struct kev_buf *out, struct kev_str s, size_t max, bool spaces)
{
	size_t taken = 0;

	while (taken < s.len) {
		struct kev_str rest = {s.data + taken, s.len - taken};
		size_t run = plain_run(rest, spaces), len;

		if (taken + run > max)
			run = max - taken;
		kev_buf_append(out, rest.data, run);
		taken += run;
		if (taken == s.len)
			return;
		rest = (struct kev_str){s.data + taken, s.len - taken};
		len = kev_text_decode_utf8(rest, NULL);
		if (taken + (len ? len : 1) > max) {
			kev_buf_append_c(out, "...");
			return;
		}
		append_special(out, (struct kev_str){rest.data, len ? len : 1}, len > 0);
		taken += len ? len : 1;
	}
}

static void append_field(struct kev_buf *out, struct kev_str s)
{
	if (s.len == 0)
		kev_buf_append_char(out, '-');
	else if (kev_str_eq(s, KEV_STR("-")))
		kev_buf_append_c(out, "\\x2d");
	else
		append_text(out, s, KEV_LINE_FIELD_MAX, false);
}

static void append_time(struct kev_buf *out, int64_t time)
{
	char text[KEV_TIMESTAMP_SIZE];

	if (time <= 0) {
		kev_buf_append_char(out, '-');
		return;
	}
	kev_timestamp_format(time, text);
	kev_buf_append(out, text, MILLISECONDS_LEN);
	kev_buf_append_char(out, 'Z');
}

/* kubectl writes pod/web-1. */
static void append_kind(struct kev_buf *out, struct kev_str kind)
{
	size_t start = out->len;

	append_field(out, kind);
	kev_text_lower(out, start);
}

int kev_line_append(struct kev_buf *out, const struct kev_line *line)
{
	append_time(out, line->time);
	kev_buf_append_char(out, ' ');
	append_field(out, line->namespace_);
	kev_buf_append_char(out, '/');
	append_kind(out, line->kind);
	kev_buf_append_char(out, '/');
	append_field(out, line->object);
	kev_buf_append_char(out, ' ');
	append_field(out, line->type);
	kev_buf_append_char(out, ' ');
	append_field(out, line->reason);
	kev_buf_printf(out, " x%llu ", (unsigned long long)line->count);
	append_field(out, line->component);
	if (line->host.len) {
		kev_buf_append_char(out, '/');
		append_field(out, line->host);
	}
	kev_buf_append_char(out, ' ');
	append_text(out, line->message, KEV_LINE_MESSAGE_MAX, true);
	return kev_buf_append_char(out, '\n');
}

/* What the line is made of, decoded: one behind the other in the buffer. */
struct decoded {
	struct kev_buf text;
	size_t ends[8];
	size_t count;
};

static void decode(struct decoded *decoded, const struct kev_json *json, uint32_t index)
{
	kev_json_append_string(json, index, &decoded->text);
	decoded->ends[decoded->count++] = decoded->text.len;
}

static struct kev_str part(const struct decoded *decoded, size_t which)
{
	size_t start = which ? decoded->ends[which - 1] : 0;

	return (struct kev_str){decoded->text.data + start, decoded->ends[which] - start};
}

int kev_line_append_event(
	struct kev_buf *out, const struct kev_json *json, const struct kev_fields *fields, int64_t time)
{
	const uint32_t sources[] = {fields->namespace_, fields->object_kind, fields->object_name,
		fields->type, fields->reason, fields->component, fields->host, fields->message};
	struct decoded decoded = {.count = 0};
	int r;

	kev_buf_init(&decoded.text, (size_t)KEV_JSON_TEXT_MAX * 3);
	kev_buf_reserve(&decoded.text, 256);
	for (size_t i = 0; i < KEV_ARRAY_LEN(sources); i++)
		decode(&decoded, json, sources[i]);
	r = decoded.text.error;
	if (!r)
		r = kev_line_append(out, &(struct kev_line){.time = time,
						 .namespace_ = part(&decoded, 0),
						 .kind = part(&decoded, 1),
						 .object = part(&decoded, 2),
						 .type = part(&decoded, 3),
						 .reason = part(&decoded, 4),
						 .count = kev_fields_count(json, fields),
						 .component = part(&decoded, 5),
						 .host = part(&decoded, 6),
						 .message = part(&decoded, 7)});
	kev_buf_fini(&decoded.text);
	return r;
}
