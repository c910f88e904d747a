#include "kevfs/event/pack.h"

#include <string.h>

#include "kevfs/event/timestamp.h"
#include "pack_codes.h"

/* ---- bytes ---- */

static uint64_t get_varint(const unsigned char **at)
{
	uint64_t value = 0;
	unsigned shift = 0;

	for (; **at & 0x80; shift += 7)
		value |= (uint64_t)(*(*at)++ & 0x7f) << shift;
	return value | (uint64_t) * (*at)++ << shift;
}

static uint64_t get_fixed(const unsigned char **at, int size)
{
	uint64_t value = 0;

	for (int i = 0; i < size; i++)
		value |= (uint64_t) * (*at)++ << 8 * i;
	return value;
}

/* ---- putting together ---- */

struct unpacker {
	const struct kev_intern *words;
	const struct kev_pack *pack;
	const struct kev_str *own;
	const unsigned char *at; /* in the codes */
	char *out;
	struct kev_str last_time; /* in what was put */
};

static void put(struct unpacker *u, struct kev_str s)
{
	if (s.len)
		memcpy(u->out, s.data, s.len);
	u->out += s.len;
}

static void expand_pattern(struct unpacker *u, struct kev_str s)
{
	static const enum kev_pack_field fields[] = {[MARK_OBJECT] = KEV_PACK_OBJECT_NAME,
		[MARK_NAMESPACE] = KEV_PACK_NAMESPACE,
		[MARK_NODE] = KEV_PACK_NODE};

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c >= KEV_ARRAY_LEN(fields))
			*u->out++ = s.data[i];
		else
			put(u, kev_intern_get(u->words, u->pack->fields[fields[c]]));
	}
}

static void expand_uuid(struct unpacker *u)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < UUID_SIZE; i += 2) {
		if (pack_is_dash(i)) {
			*u->out++ = '-';
			i++;
		}
		*u->out++ = hex[*u->at >> 4];
		*u->out++ = hex[*u->at++ & 15];
	}
}

static void expand_time(struct unpacker *u, bool whole)
{
	char text[KEV_TIMESTAMP_SIZE];
	int64_t ns = (int64_t)get_fixed(&u->at, 4) * KEV_NS_PER_SEC;

	if (!whole)
		ns += (int64_t)get_fixed(&u->at, 3) * 1000;
	kev_timestamp_format(ns, text);
	u->last_time = (struct kev_str){u->out, whole ? SECOND_SIZE : MICROSECOND_SIZE};
	put(u, (struct kev_str){text, u->last_time.len - 1});
	*u->out++ = 'Z';
}

static void expand_number(struct unpacker *u)
{
	char digits[20], *p = digits + sizeof(digits);
	uint64_t value = get_varint(&u->at);

	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(u, (struct kev_str){p, (size_t)(digits + sizeof(digits) - p)});
}

static struct kev_str get_bytes(struct unpacker *u)
{
	size_t len = get_varint(&u->at);
	struct kev_str s = {(const char *)u->at, len};

	u->at += len;
	return s;
}

static void expand_value(struct unpacker *u)
{
	uint64_t code = get_varint(&u->at);

	if (code >= CODE_WORD) {
		put(u, kev_intern_get(u->words, (uint32_t)(code - CODE_WORD)));
	} else if (code >= CODE_UUID) {
		switch ((enum code)code) {
		case CODE_UUID:
			expand_uuid(u);
			break;
		case CODE_SECOND:
		case CODE_MICROSECOND:
			expand_time(u, code == CODE_SECOND);
			break;
		case CODE_SAME_TIME:
			put(u, u->last_time);
			break;
		case CODE_NUMBER:
			expand_number(u);
			break;
		case CODE_LITERAL:
			put(u, get_bytes(u));
			break;
		case CODE_PATTERN:
			expand_pattern(u, get_bytes(u));
			break;
		case CODE_PATTERN_WORD:
			expand_pattern(u, kev_intern_get(u->words, (uint32_t)get_varint(&u->at)));
			break;
		case CODE_OWN:
		case CODE_WORD:
			break; /* are others */
		}
	} else if (code >= CODE_OWN) {
		put(u, u->own[code - CODE_OWN]);
	} else {
		put(u, kev_intern_get(u->words, u->pack->fields[code]));
	}
}

void kev_pack_expand(const struct kev_intern *words, const struct kev_pack *pack,
	const struct kev_str own[KEV_PACK_OWN_COUNT], struct kev_str codes, char *out)
{
	struct unpacker u = {.words = words,
		.pack = pack,
		.own = own,
		.at = (const unsigned char *)codes.data,
		.out = out};
	struct kev_str frame = kev_intern_get(words, pack->frame);

	if (pack->frame == KEV_INTERN_NONE) {
		put(&u, codes);
		return;
	}
	while (frame.len > 0) {
		const char *hole = memchr(frame.data, HOLE, frame.len);
		size_t before = hole ? (size_t)(hole - frame.data) : frame.len;

		put(&u, (struct kev_str){frame.data, before});
		if (hole)
			expand_value(&u);
		frame.data += before + (hole ? 1 : 0);
		frame.len -= before + (hole ? 1 : 0);
	}
}

/* ---- letting go ---- */

/* The word of the code at *at, which moves behind it. */
static uint32_t next_word(const unsigned char **at)
{
	uint64_t code = get_varint(at), len = 0;
	uint32_t word = KEV_INTERN_NONE;

	if (code >= CODE_WORD)
		return (uint32_t)(code - CODE_WORD);
	if (code == CODE_PATTERN_WORD)
		word = (uint32_t)get_varint(at);
	else if (code == CODE_LITERAL || code == CODE_PATTERN)
		len = get_varint(at);
	else if (code == CODE_NUMBER)
		(void)get_varint(at);
	else if (code == CODE_UUID)
		len = UUID_SIZE / 2 - 2;
	else if (code == CODE_SECOND || code == CODE_MICROSECOND)
		len = code == CODE_SECOND ? 4 : 7;
	*at += len;
	return word;
}

void kev_pack_release(struct kev_intern *words, const struct kev_pack *pack, struct kev_str codes)
{
	/* Of no bytes there may be no place. */
	const unsigned char *at = (const unsigned char *)codes.data, *end = codes.len ? at + codes.len : at;
	uint32_t held[KEV_PACK_FIELD_COUNT + 1 + VALUES_MAX];
	size_t n = KEV_PACK_FIELD_COUNT;

	memcpy(held, pack->fields, sizeof(pack->fields));
	held[n++] = pack->frame;
	while (pack->frame != KEV_INTERN_NONE && at < end) {
		uint32_t word = next_word(&at);

		if (word != KEV_INTERN_NONE)
			held[n++] = word;
	}
	kev_intern_drop(words, held, n);
}
