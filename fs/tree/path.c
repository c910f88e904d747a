#include "kevfs/tree/path.h"

#include <stdint.h>
#include <string.h>

#include "kevfs/base/hash.h"
#include "kevfs/base/text.h"
#include "kevfs/store/kinds.h"

/* What stands behind the cut of a long name. */
#define CUT_MARK "%~"
#define CUT_HEX 32
#define CUT_KEEP (KEV_PATH_NAME_MAX - (sizeof(CUT_MARK) - 1) - CUT_HEX)

static bool may_stand(uint32_t c)
{
	return c >= 0x20 && c != '/' && c != '%' && c != 0x7f && !(c >= 0x80 && c <= 0x9f);
}

static bool is_dots(struct kev_str s)
{
	return kev_str_eq(s, KEV_STR(".")) || kev_str_eq(s, KEV_STR(".."));
}

bool kev_path_is_plain(struct kev_str name)
{
	struct kev_str rest = name;

	if (name.len == 0 || name.len > KEV_PATH_NAME_MAX || is_dots(name))
		return false;
	while (rest.len > 0) {
		uint32_t c = (unsigned char)rest.data[0];
		size_t len = c < 0x80 ? 1 : kev_text_decode_utf8(rest, &c);

		if (len == 0 || !may_stand(c))
			return false;
		rest.data += len;
		rest.len -= len;
	}
	return true;
}

static void append_hex(struct kev_buf *out, struct kev_str bytes)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char byte = (unsigned char)bytes.data[i];
		char text[3] = {'%', digits[byte >> 4], digits[byte & 15]};

		kev_buf_append(out, text, sizeof(text));
	}
}

/*
 * Append s, escaped.
 * @param also  an ASCII character that is escaped too, or NUL
 * @param lead  so many characters at its beginning are escaped, whatever they are
 */
static void append_part(struct kev_buf *out, struct kev_str s, char also, unsigned lead)
{
	while (s.len > 0) {
		uint32_t c = 0;
		size_t len = kev_text_decode_utf8(s, &c);
		struct kev_str character = {s.data, len ? len : 1};

		if (len && !lead && may_stand(c) && (!also || c != (unsigned char)also))
			kev_buf_append_str(out, character);
		else
			append_hex(out, character);
		if (lead)
			lead--;
		s.data += character.len;
		s.len -= character.len;
	}
}

/* How much of an escaped name may stand before the cut: whole characters and whole %XX, nothing half. */
static size_t cut_length(struct kev_str escaped)
{
	size_t kept = 0;

	for (;;) {
		struct kev_str rest = {escaped.data + kept, escaped.len - kept};
		/* A '%' before a '.' is no escape: it is an empty kind. */
		size_t len =
			rest.data[0] == '%' && rest.data[1] != '.' ? 3 : kev_text_decode_utf8(rest, NULL);

		if (kept + len > CUT_KEEP)
			return kept;
		kept += len;
	}
}

/* Append the whole escaped name, after what concerns it as a whole. */
static int append_whole(struct kev_buf *out, const struct kev_buf *whole)
{
	struct kev_str name = kev_buf_str(whole);
	char hex[CUT_HEX + 1];
	size_t kept;

	if (whole->error)
		return whole->error;
	if (name.len == 0)
		return kev_buf_append_char(out, '%');
	if (is_dots(name)) {
		append_hex(out, name);
		return out->error;
	}
	if (name.len <= KEV_PATH_NAME_MAX)
		return kev_buf_append_str(out, name);
	kept = cut_length(name);
	kev_hash_hex128(name, hex);
	if (kev_buf_reserve(out, kept + sizeof(CUT_MARK) - 1 + CUT_HEX))
		return out->error;
	kev_buf_append(out, name.data, kept);
	kev_buf_append_c(out, CUT_MARK);
	return kev_buf_append(out, hex, CUT_HEX);
}

int kev_path_append_event(struct kev_buf *out, struct kev_str name)
{
	KEV_CLEANUP(buf_fini) struct kev_buf whole = {.max = KEV_PATH_ESCAPED_MAX};

	if (kev_path_is_plain(name))
		return kev_buf_append_str(out, name);
	append_part(&whole, name, '\0', 0);
	return append_whole(out, &whole);
}

int kev_path_append_namespace(struct kev_buf *out, struct kev_str name)
{
	KEV_CLEANUP(buf_fini) struct kev_buf whole = {.max = KEV_PATH_ESCAPED_MAX};
	bool ours = kev_str_starts(name, KEV_STR(".kevfs")) || kev_str_starts(name, KEV_STR("events."));

	if (!ours)
		return kev_path_append_event(out, name);
	append_part(&whole, name, '\0', 1);
	return append_whole(out, &whole);
}

int kev_path_append_object(struct kev_buf *out, struct kev_str event_namespace,
	struct kev_str object_namespace, struct kev_str name)
{
	KEV_CLEANUP(buf_fini) struct kev_buf whole = {.max = KEV_PATH_ESCAPED_MAX};
	bool foreign = object_namespace.len > 0 && !kev_str_eq(object_namespace, event_namespace);

	if (!foreign && kev_path_is_plain(name) && !memchr(name.data, ':', name.len))
		return kev_buf_append_str(out, name);
	if (foreign) {
		append_part(&whole, object_namespace, ':', 0);
		kev_buf_append_char(&whole, ':');
	}
	append_part(&whole, name, foreign ? '\0' : ':', 0);
	return append_whole(out, &whole);
}

/* Is it one of our names in a namespace's directory? */
static bool is_ours_in_namespace(struct kev_str name)
{
	return kev_str_eq(name, KEV_STR("events")) || kev_str_starts(name, KEV_STR("events.")) ||
	       kev_str_starts(name, KEV_STR("by-"));
}

/* "part.group", or "part" without a group; the part's first lead characters escaped. */
static void append_grouped(
	struct kev_buf *out, struct kev_str part, char also, unsigned lead, struct kev_str group)
{
	append_part(out, part, also, lead);
	if (group.len == 0)
		return;
	if (part.len == 0)
		kev_buf_append_char(out, '%');
	kev_buf_append_char(out, '.');
	append_part(out, group, '\0', 0);
}

static int append_in_namespace(
	struct kev_buf *out, struct kev_str part, char also, bool taken, struct kev_str group)
{
	KEV_CLEANUP(buf_fini) struct kev_buf whole = {.max = KEV_PATH_ESCAPED_MAX};
	bool ours;

	append_grouped(&whole, part, also, 0, group);
	ours = is_ours_in_namespace(kev_buf_str(&whole));
	if (ours || taken) {
		kev_buf_clear(&whole);
		append_grouped(&whole, part, also, (unsigned)ours + (unsigned)taken, group);
	}
	return append_whole(out, &whole);
}

int kev_path_append_resource(struct kev_buf *out, struct kev_str group, struct kev_str plural)
{
	return append_in_namespace(
		out, plural, '\0', false, kev_kinds_group_is_bare(group) ? KEV_STR("") : group);
}

int kev_path_append_kind(struct kev_buf *out, struct kev_str group, struct kev_str kind, bool taken)
{
	return append_in_namespace(out, kind, '.', taken, group);
}
