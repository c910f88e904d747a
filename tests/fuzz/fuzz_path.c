/*
 * Strings of the API → file names: whatever they are, the name can stand in a directory, is none of ours, and
 * (if it was not cut) says exactly which strings it was made of.
 *
 * Input: a byte that chooses the function, the length of a first string, of a second, then their bytes; the
 * third string is the rest.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/text.h"
#include "kevfs/tree/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool truth)
{
	if (!truth)
		abort();
}

static void check_file_name(struct kev_str name)
{
	struct kev_str rest = name;

	check(name.len >= 1 && name.len <= KEV_PATH_NAME_MAX);
	check(!kev_str_eq(name, KEV_STR(".")) && !kev_str_eq(name, KEV_STR("..")));
	while (rest.len > 0) {
		uint32_t c;
		size_t len = kev_text_decode_utf8(rest, &c);

		check(len > 0 && c >= 0x20 && c != '/' && !(c >= 0x7f && c < 0xa0));
		rest.data += len;
		rest.len -= len;
	}
}

static bool is_cut(struct kev_str name)
{
	return name.len > 34 && memcmp(name.data + name.len - 34, "%~", 2) == 0;
}

static int hex(char c)
{
	check((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* What an escaped part says. A lone '%' is nothing. */
static void unescape(struct kev_str part, struct kev_buf *out)
{
	if (kev_str_eq(part, KEV_STR("%")))
		return;
	for (size_t i = 0; i < part.len; i++) {
		char c = part.data[i];

		if (c == '%') {
			check(i + 2 < part.len);
			c = (char)(hex(part.data[i + 1]) << 4 | hex(part.data[i + 2]));
			i += 2;
		}
		check(kev_buf_append_char(out, c) == 0);
	}
}

static void check_says(struct kev_str part, struct kev_str original)
{
	struct kev_buf out;

	kev_buf_init(&out, 1000);
	unescape(part, &out);
	check(kev_str_eq(kev_buf_str(&out), original));
	kev_buf_fini(&out);
}

/* Split at the first c. @return false where there is none: left is the whole then */
static bool split(struct kev_str s, char c, struct kev_str *left, struct kev_str *right)
{
	const char *at = s.len ? memchr(s.data, c, s.len) : NULL;

	*left = (struct kev_str){s.data, at ? (size_t)(at - s.data) : s.len};
	*right = at ? (struct kev_str){at + 1, s.len - left->len - 1} : KEV_STR("");
	return at != NULL;
}

static void check_not_ours_in_namespace(struct kev_str name)
{
	check(!kev_str_eq(name, KEV_STR("events")) && !kev_str_starts(name, KEV_STR("events.")) &&
		!kev_str_starts(name, KEV_STR("by-")));
}

static void check_event(struct kev_buf *out, struct kev_str name)
{
	check(kev_path_append_event(out, name) == 0);
	check_file_name(kev_buf_str(out));
	check(kev_path_is_plain(name) == kev_str_eq(name, kev_buf_str(out)));
	if (!is_cut(kev_buf_str(out)))
		check_says(kev_buf_str(out), name);
}

static void check_namespace(struct kev_buf *out, struct kev_str name)
{
	check(kev_path_append_namespace(out, name) == 0);
	check_file_name(kev_buf_str(out));
	check(!kev_str_starts(kev_buf_str(out), KEV_STR(".kevfs")) &&
		!kev_str_starts(kev_buf_str(out), KEV_STR("events.")));
	if (!is_cut(kev_buf_str(out)))
		check_says(kev_buf_str(out), name);
}

static void check_object(struct kev_buf *out, struct kev_str event_namespace, struct kev_str object_namespace,
	struct kev_str name)
{
	bool foreign = object_namespace.len && !kev_str_eq(object_namespace, event_namespace);
	struct kev_str left, right;

	check(kev_path_append_object(out, event_namespace, object_namespace, name) == 0);
	check_file_name(kev_buf_str(out));
	if (is_cut(kev_buf_str(out)))
		return;
	check(split(kev_buf_str(out), ':', &left, &right) == foreign);
	check_says(left, foreign ? object_namespace : name);
	check_says(right, foreign ? name : KEV_STR(""));
}

static bool is_label(struct kev_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", s.data[i]) || !s.data[i])
			return false;
	}
	return s.len > 0;
}

static void check_kind(struct kev_buf *out, struct kev_str group, struct kev_str kind, bool taken)
{
	struct kev_buf other;
	struct kev_str left, right;

	check(kev_path_append_kind(out, group, kind, taken) == 0);
	check_file_name(kev_buf_str(out));
	check_not_ours_in_namespace(kev_buf_str(out));
	kev_buf_init(&other, KEV_PATH_NAME_MAX);
	/* What is taken is taken by a resource of that name, which is a DNS label. */
	check(kev_path_append_resource(&other, group, kind) == 0);
	check(!taken || !is_label(kind) || !kev_str_eq(kev_buf_str(out), kev_buf_str(&other)));
	kev_buf_fini(&other);
	if (is_cut(kev_buf_str(out)))
		return;
	check(split(kev_buf_str(out), '.', &left, &right) == (group.len > 0));
	check_says(left, kind);
	check_says(right, group);
}

static void check_resource(struct kev_buf *out, struct kev_str group, struct kev_str plural)
{
	check(kev_path_append_resource(out, group, plural) == 0);
	check_file_name(kev_buf_str(out));
	check_not_ours_in_namespace(kev_buf_str(out));
}

static struct kev_str take(const uint8_t **data, size_t *size, size_t len)
{
	struct kev_str s = {(const char *)*data, len < *size ? len : *size};

	*data += s.len;
	*size -= s.len;
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_str a, b, c;
	struct kev_buf out;
	uint8_t choice;

	if (size < 3)
		return 0;
	choice = data[0];
	size -= 3;
	data += 3;
	a = take(&data, &size, data[-2]);
	b = take(&data, &size, data[-1]);
	c = take(&data, &size, size);
	kev_buf_init(&out, KEV_PATH_NAME_MAX);
	switch (choice % 6) {
	case 0:
		check_event(&out, c);
		break;
	case 1:
		check_namespace(&out, c);
		break;
	case 2:
		check_object(&out, a, b, c);
		break;
	case 3:
	case 4:
		check_kind(&out, a, c, choice % 6 == 3);
		break;
	default:
		check_resource(&out, a, c);
	}
	kev_buf_fini(&out);
	return 0;
}
