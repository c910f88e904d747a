#include "event_own.h"

#include <string.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/num.h"
#include "uuid.h"
#include "varint.h"

/* Digits of the time in a name, behind the dot; and in bytes. */
#define NAME_DIGITS 16U
#define NAME_TIME_SIZE (NAME_DIGITS / 2)

enum form {
	NAME_OF_OBJECT = 1,         /* the object's name, a dot, 16 digits: only their value is kept */
	MTIME_IN_NAME = 2,          /* it is their value */
	UID_IS_UUID = 4,            /* 16 bytes */
	VERSION_IS_NUMBER = 8,      /* a varint */
	SEEN_AT_MTIME = 16,         /* last seen: not kept */
	SEEN_IN_WHOLE_SECONDS = 32, /* seconds from the mtime's */
};

/* ---- putting ---- */

/* @return whether nothing but the digits' value must be kept */
static bool is_of_object(const struct event_own_strings *strings, uint64_t *out)
{
	struct kev_str name = strings->name;
	size_t stem = strings->object_name.len;

	return name.len <= KEV_EVENT_ROOM && name.len == stem + 1 + NAME_DIGITS && name.data[stem] == '.' &&
	       kev_str_starts(name, strings->object_name) &&
	       kev_num_parse_hex((struct kev_str){name.data + stem + 1, NAME_DIGITS}, UINT64_MAX, out) == 0;
}

static uint8_t form_of(const struct event_own *own, bool of_object, uint64_t named)
{
	uint8_t form = 0;

	if (of_object)
		form |= NAME_OF_OBJECT;
	if (of_object && own->mtime == (int64_t)named)
		form |= MTIME_IN_NAME;
	if (own->last_seen == own->mtime)
		form |= SEEN_AT_MTIME;
	else if (own->last_seen % KEV_NS_PER_SEC == 0)
		form |= SEEN_IN_WHOLE_SECONDS;
	return form;
}

static void put_times(struct kev_buf *out, const struct event_own *own, uint8_t form)
{
	int64_t second = own->mtime / KEV_NS_PER_SEC;

	if (!(form & MTIME_IN_NAME))
		varint_put(out, (uint64_t)own->mtime);
	varint_put_near(out, own->written / KEV_NS_PER_SEC, second);
	if (form & SEEN_IN_WHOLE_SECONDS)
		varint_put_near(out, own->last_seen / KEV_NS_PER_SEC, second);
	else if (!(form & SEEN_AT_MTIME))
		varint_put(out, (uint64_t)own->last_seen);
}

void event_own_put(struct kev_buf *out, const struct event_own *own, const struct event_own_strings *strings)
{
	unsigned char uuid[UUID_SIZE];
	uint64_t named = 0, version = 0;
	bool of_object = is_of_object(strings, &named), is_uuid = uuid_parse(strings->uid, uuid),
	     is_version = kev_num_parse_canonical(strings->resource_version, &version);
	uint8_t form = form_of(own, of_object, named);

	form |= is_uuid ? UID_IS_UUID : 0;
	form |= is_version ? VERSION_IS_NUMBER : 0;
	kev_buf_append_char(out, (char)form);
	varint_put(out, own->pack.object);
	varint_put(out, own->pack.node);
	varint_put(out, own->pack.object_uid);
	varint_put(out, own->pack.shape);
	if (of_object)
		kev_buf_append(out, &named, NAME_TIME_SIZE);
	else
		varint_put_str(out, strings->name);
	if (is_uuid)
		kev_buf_append(out, uuid, UUID_SIZE);
	else
		varint_put_str(out, strings->uid);
	if (is_version)
		varint_put(out, version);
	else
		varint_put_str(out, strings->resource_version);
	put_times(out, own, form);
	varint_put(out, own->size);
	varint_put(out, own->line_size);
	varint_put(out, own->compact_size);
	varint_put(out, own->codes.len);
}

/* ---- getting ---- */

static uint64_t get_named(const unsigned char *at)
{
	uint64_t named;

	memcpy(&named, at, NAME_TIME_SIZE);
	return named;
}

static const unsigned char *get_times(const unsigned char *at, struct event_own *out)
{
	int64_t second;

	out->mtime = out->form & MTIME_IN_NAME ? (int64_t)get_named(out->name) : (int64_t)varint_get(&at);
	second = out->mtime / KEV_NS_PER_SEC;
	out->written = varint_get_near(&at, second) * KEV_NS_PER_SEC;
	if (out->form & SEEN_AT_MTIME)
		out->last_seen = out->mtime;
	else if (out->form & SEEN_IN_WHOLE_SECONDS)
		out->last_seen = varint_get_near(&at, second) * KEV_NS_PER_SEC;
	else
		out->last_seen = (int64_t)varint_get(&at);
	return at;
}

static const unsigned char *get_pack(const unsigned char *at, struct kev_pack *out)
{
	out->object = (uint32_t)varint_get(&at);
	out->node = (uint32_t)varint_get(&at);
	out->object_uid = (uint32_t)varint_get(&at);
	out->shape = (uint32_t)varint_get(&at);
	return at;
}

void event_own_get_pack(const unsigned char *bytes, struct kev_pack *out)
{
	(void)get_pack(bytes + 1, out);
}

void event_own_get(const unsigned char *bytes, struct event_own *out)
{
	const unsigned char *at = get_pack(bytes + 1, &out->pack);

	out->form = bytes[0];
	out->name = at;
	if (out->form & NAME_OF_OBJECT)
		at += NAME_TIME_SIZE;
	else
		(void)varint_get_str(&at);
	out->uid = at;
	if (out->form & UID_IS_UUID)
		at += UUID_SIZE;
	else
		(void)varint_get_str(&at);
	out->resource_version = at;
	if (out->form & VERSION_IS_NUMBER)
		(void)varint_get(&at);
	else
		(void)varint_get_str(&at);
	at = get_times(at, out);
	out->size = varint_get(&at);
	out->line_size = varint_get(&at);
	out->compact_size = varint_get(&at);
	out->codes = varint_get_str(&at);
}

struct kev_str event_own_name(
	const struct event_own *own, struct kev_str object_name, struct kev_event_room *room)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *at = own->name;
	size_t len = object_name.len + 1 + NAME_DIGITS;
	uint64_t named;

	if (!(own->form & NAME_OF_OBJECT))
		return varint_get_str(&at);
	if (object_name.len)
		memcpy(room->bytes, object_name.data, object_name.len);
	room->bytes[object_name.len] = '.';
	named = get_named(at);
	for (size_t i = len; i-- > object_name.len + 1; named >>= 4)
		room->bytes[i] = digits[named & 15];
	return (struct kev_str){room->bytes, len};
}

struct kev_str event_own_uid(const struct event_own *own, struct kev_event_room *room)
{
	const unsigned char *at = own->uid;

	if (!(own->form & UID_IS_UUID))
		return varint_get_str(&at);
	uuid_print(at, room->bytes);
	return (struct kev_str){room->bytes, UUID_LEN};
}

struct kev_str event_own_resource_version(const struct event_own *own, struct kev_event_room *room)
{
	const unsigned char *at = own->resource_version;
	char *end = room->bytes + KEV_NUM_CANONICAL_DIGITS, *p = end;
	uint64_t version;

	if (!(own->form & VERSION_IS_NUMBER))
		return varint_get_str(&at);
	version = varint_get(&at);
	do {
		*--p = (char)('0' + version % 10);
		version /= 10;
	} while (version);
	return (struct kev_str){p, (size_t)(end - p)};
}
