#include "kevfs/event/pack.h"

#include <string.h>

#include "kevfs/base/clock.h"
#include "kevfs/event/timestamp.h"
#include "pack_codes.h"
#include "uuid.h"
#include "varint.h"

/* ---- shapes ---- */

/* The number of a word, wherever it stands. */
static uint32_t word_at(const char *words, size_t i)
{
	uint32_t word;

	memcpy(&word, words + i * sizeof(word), sizeof(word));
	return word;
}

struct shape {
	const char *words; /* their numbers */
	size_t count;      /* of them */
	const unsigned char *codes;
	size_t code_count;
	struct kev_str bytes; /* the event's own */
};

static struct shape find_shape(
	const struct kev_intern *words, const struct kev_pack *pack, struct kev_str codes)
{
	struct shape shape = {.bytes = codes};

	if (pack->shape != KEV_INTERN_NONE) {
		struct kev_str shared = kev_intern_get(words, pack->shape);

		shape.count = kev_intern_holds(words, pack->shape);
		shape.words = shared.data;
		shape.code_count = shared.len - shape.count * sizeof(uint32_t);
	} else {
		const unsigned char *end = (const unsigned char *)codes.data + codes.len;

		shape.count = end[-2];
		shape.code_count = end[-1];
		shape.bytes.len -= shape.count * sizeof(uint32_t) + shape.code_count + 2;
		shape.words = codes.data + shape.bytes.len;
	}
	shape.codes = (const unsigned char *)shape.words + shape.count * sizeof(uint32_t);
	return shape;
}

static struct kev_str get_object_field(
	const struct kev_intern *words, struct kev_str object, enum kev_pack_field field)
{
	const size_t held = OBJECT_WORDS * sizeof(uint32_t);

	if (field == KEV_PACK_OBJECT_NAME)
		return (struct kev_str){object.data + held, object.len - held};
	return kev_intern_get(words, word_at(object.data, field));
}

struct kev_str kev_pack_field(const struct kev_intern *words, const struct kev_pack *pack,
	struct kev_str codes, enum kev_pack_field field)
{
	if (field < KEV_PACK_OBJECT_COUNT)
		return get_object_field(words, kev_intern_get(words, pack->object), field);
	if (field == KEV_PACK_NODE)
		return kev_intern_get(words, pack->node);
	return kev_intern_get(words, word_at(find_shape(words, pack, codes).words,
					     field == KEV_PACK_TYPE ? SHAPE_TYPE : SHAPE_REASON));
}

struct kev_str kev_pack_plain(
	const struct kev_intern *words, const struct kev_pack *pack, struct kev_str codes)
{
	struct shape shape = find_shape(words, pack, codes);

	return shape.count == SHAPE_PLAIN_COUNT ? shape.bytes : (struct kev_str){NULL, 0};
}

void kev_pack_release(struct kev_intern *words, const struct kev_pack *pack, struct kev_str codes)
{
	uint32_t held[SHAPE_WORDS_MAX + 4];
	size_t n = 0;

	if (pack->shape == KEV_INTERN_NONE) {
		struct shape shape = find_shape(words, pack, codes);

		for (; n < shape.count; n++)
			held[n] = word_at(shape.words, n);
	}
	held[n++] = pack->shape;
	held[n++] = pack->object_uid;
	held[n++] = pack->node;
	held[n++] = pack->object;
	kev_intern_drop(words, held, n);
}

/* ---- putting together ---- */

struct unpacker {
	const struct kev_intern *words;
	const struct kev_pack *pack;
	const struct kev_str *own;
	struct kev_str object;
	struct shape shape;
	const unsigned char *at; /* in the event's own bytes */
	char *out;
	int64_t time;             /* the last one */
	struct kev_str last_time; /* in what was put */
};

static void put(struct unpacker *u, struct kev_str s)
{
	if (s.len)
		memcpy(u->out, s.data, s.len);
	u->out += s.len;
}

static void expand_number(struct unpacker *u)
{
	char digits[20], *p = digits + sizeof(digits);
	uint64_t value = varint_get(&u->at);

	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(u, (struct kev_str){p, (size_t)(digits + sizeof(digits) - p)});
}

static void expand_mark(struct unpacker *u, enum mark mark)
{
	switch (mark) {
	case MARKED_OBJECT:
		put(u, get_object_field(u->words, u->object, KEV_PACK_OBJECT_NAME));
		break;
	case MARKED_NAMESPACE:
		put(u, get_object_field(u->words, u->object, KEV_PACK_NAMESPACE));
		break;
	case MARKED_NODE:
		put(u, kev_intern_get(u->words, u->pack->node));
		break;
	case MARKED_NUMBER:
		expand_number(u);
		break;
	}
}

static void expand_pattern(struct unpacker *u, struct kev_str s)
{
	const char *at = s.data, *end = s.data + s.len, *mark;

	while ((mark = memchr(at, MARK, (size_t)(end - at)))) {
		put(u, (struct kev_str){at, (size_t)(mark - at)});
		expand_mark(u, (enum mark)mark[1]);
		at = mark + MARK_SIZE;
	}
	put(u, (struct kev_str){at, (size_t)(end - at)});
}

static void expand_uuid(struct unpacker *u, const unsigned char *uuid)
{
	uuid_print(uuid, u->out);
	u->out += UUID_LEN;
}

static void expand_time(struct unpacker *u, int64_t unit, size_t len)
{
	char *start = u->out;

	u->time = varint_get_near(&u->at, u->time / unit) * unit;
	kev_timestamp_format_second(u->time / KEV_NS_PER_SEC, start);
	if (len == MICROSECOND_SIZE) {
		uint32_t fraction = (uint32_t)(u->time % KEV_NS_PER_SEC / NS_PER_MICROSECOND);

		for (size_t i = MICROSECOND_SIZE - 2; i > KEV_TIMESTAMP_SECOND_LEN; i--, fraction /= 10)
			start[i] = (char)('0' + fraction % 10);
		start[KEV_TIMESTAMP_SECOND_LEN] = '.';
	}
	u->out = start + len;
	u->out[-1] = 'Z';
	u->last_time = (struct kev_str){start, len};
}

static void expand_word(struct unpacker *u, unsigned code)
{
	bool pattern = code >= CODE_PATTERN_WORD;
	size_t which = code - (pattern ? CODE_PATTERN_WORD : CODE_WORD);
	struct kev_str s = kev_intern_get(u->words, word_at(u->shape.words, SHAPE_VALUES + which));

	if (pattern)
		expand_pattern(u, s);
	else
		put(u, s);
}

/* Neither a word nor a string that is known. */
static void expand_bytes(struct unpacker *u, enum code code)
{
	switch (code) {
	case CODE_OBJECT_UID:
		expand_uuid(u, (const unsigned char *)kev_intern_get(u->words, u->pack->object_uid).data);
		break;
	case CODE_UUID:
		expand_uuid(u, u->at);
		u->at += UUID_SIZE;
		break;
	case CODE_SECOND:
		expand_time(u, KEV_NS_PER_SEC, SECOND_SIZE);
		break;
	case CODE_MICROSECOND:
		expand_time(u, NS_PER_MICROSECOND, MICROSECOND_SIZE);
		break;
	case CODE_SAME_TIME:
		put(u, u->last_time);
		break;
	case CODE_NUMBER:
		expand_number(u);
		break;
	case CODE_LITERAL:
		put(u, varint_get_str(&u->at));
		break;
	case CODE_PATTERN:
		expand_pattern(u, varint_get_str(&u->at));
		break;
	case CODE_OWN:
	case CODE_WORD:
	case CODE_PATTERN_WORD:
	case CODE_END:
		break; /* are others */
	}
}

static void expand_value(struct unpacker *u, unsigned code)
{
	if (code >= CODE_WORD)
		expand_word(u, code);
	else if (code >= CODE_OBJECT_UID)
		expand_bytes(u, (enum code)code);
	else if (code >= CODE_OWN)
		put(u, u->own[code - CODE_OWN]);
	else if (code < KEV_PACK_OBJECT_COUNT)
		put(u, get_object_field(u->words, u->object, (enum kev_pack_field)code));
	else if (code == KEV_PACK_NODE)
		put(u, kev_intern_get(u->words, u->pack->node));
	else
		put(u, kev_intern_get(u->words,
			       word_at(u->shape.words, code == KEV_PACK_TYPE ? SHAPE_TYPE : SHAPE_REASON)));
}

void kev_pack_expand(const struct kev_intern *words, const struct kev_pack *pack,
	const struct kev_str own[KEV_PACK_OWN_COUNT], int64_t time, struct kev_str codes, char *out)
{
	struct unpacker u = {.words = words,
		.pack = pack,
		.own = own,
		.object = kev_intern_get(words, pack->object),
		.shape = find_shape(words, pack, codes),
		.at = (const unsigned char *)codes.data,
		.out = out,
		.time = time};
	const unsigned char *frame;

	if (u.shape.count == SHAPE_PLAIN_COUNT) {
		put(&u, u.shape.bytes);
		return;
	}
	frame = (const unsigned char *)kev_intern_get(words, word_at(u.shape.words, SHAPE_FRAME)).data;
	for (size_t i = 0; i < u.shape.code_count; i++) {
		put(&u, varint_get_str(&frame));
		expand_value(&u, u.shape.codes[i]);
	}
	put(&u, varint_get_str(&frame));
}
