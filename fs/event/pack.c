#include "kevfs/event/pack.h"

#include <string.h>

#include "kevfs/base/clock.h"
#include "pack_codes.h"
#include "pack_split.h"
#include "varint.h"

/* The words that are wanted, in this order. */
enum want {
	WANT_OBJECT, /* OBJECT_WORDS of them */
	WANT_NODE = WANT_OBJECT + OBJECT_WORDS,
	WANT_SHAPE, /* enum shape_word; then those values that may be words */
	WANT_PLAIN_COUNT = WANT_SHAPE + SHAPE_PLAIN_COUNT,
	WANT_FRAME = WANT_SHAPE + SHAPE_FRAME,
	WANT_VALUES = WANT_SHAPE + SHAPE_VALUES,
	WANTS_MAX = WANT_VALUES + VALUES_MAX + 1, /* the uid of the object is the last */
};

struct packer {
	struct pack_split split;
	struct kev_intern_want wants[WANTS_MAX];
	size_t count;
	uint32_t shape_words[SHAPE_WORDS_MAX];
	size_t shape_count;
	unsigned char value_codes[VALUES_MAX];
	size_t code_count;
	uint32_t object_uid;
};

/* ---- words ---- */

static bool may_be_word(const struct pack_value *value)
{
	return value->code == CODE_LITERAL || value->code == CODE_PATTERN;
}

static struct kev_str word_of(const struct pack_value *value)
{
	return value->code == CODE_PATTERN ? value->pattern : value->raw;
}

static void want(struct packer *p, struct kev_str string, bool needed)
{
	p->wants[p->count++] = (struct kev_intern_want){.string = string, .needed = needed};
}

/* What is needed, and of a text that is split the frame, the values and the object's uid. */
static void list_wants(struct packer *p, bool whole)
{
	const struct pack_split *split = &p->split;

	for (size_t i = 0; i < KEV_PACK_FIELD_COUNT; i++) {
		if (i != KEV_PACK_OBJECT_NAME)
			want(p, split->known->fields[i], true);
	}
	if (!whole)
		return;
	want(p, kev_buf_str(&split->frame), false);
	for (size_t i = 0; i < split->count; i++) {
		if (may_be_word(&split->values[i]))
			want(p, word_of(&split->values[i]), false);
	}
	if (split->object_uid)
		want(p, (struct kev_str){(const char *)split->object_uid->uuid, UUID_SIZE}, false);
}

/* Give back what was taken. */
static void give_back(struct packer *p, struct kev_intern *words, size_t from, size_t behind)
{
	uint32_t taken[WANTS_MAX];
	size_t n = 0;

	for (; from < behind; from++)
		taken[n++] = p->wants[from].word;
	kev_intern_drop(words, taken, n);
}

/* ---- codes ---- */

static void put_numbers(const struct packer *p, size_t first, size_t count, struct kev_buf *codes)
{
	for (size_t i = first; i < first + count; i++)
		varint_put(codes, p->split.numbers[i]);
}

/* Put a value's own bytes, given that it is not a word. */
static void put_bytes(const struct pack_value *value, int64_t *time, struct kev_buf *codes)
{
	if (value->code == CODE_UUID) {
		kev_buf_append(codes, value->uuid, UUID_SIZE);
	} else if (value->code == CODE_SECOND || value->code == CODE_MICROSECOND) {
		int64_t unit = value->code == CODE_SECOND ? KEV_NS_PER_SEC : NS_PER_MICROSECOND;

		varint_put_near(codes, (int64_t)value->number / unit, *time / unit);
		*time = (int64_t)value->number;
	} else if (value->code == CODE_NUMBER) {
		varint_put(codes, value->number);
	} else if (may_be_word(value)) {
		varint_put_str(codes, word_of(value));
	}
}

/* Make the shape of a text that was split, and put its values' bytes. */
static void put_values(struct packer *p, struct kev_buf *codes)
{
	const struct kev_intern_want *wanted = &p->wants[WANT_VALUES];
	const struct pack_split *split = &p->split;
	int64_t time = split->known->time;
	size_t number = 0;

	for (size_t i = 0; i < split->count; i++) {
		const struct pack_value *value = &split->values[i];
		uint32_t word = may_be_word(value) ? wanted++->word : KEV_INTERN_NONE;
		size_t code = value->code;

		if (word != KEV_INTERN_NONE) {
			code = (code == CODE_PATTERN ? CODE_PATTERN_WORD : CODE_WORD) + p->shape_count -
			       SHAPE_VALUES;
			p->shape_words[p->shape_count++] = word;
		} else if (value == split->object_uid && p->object_uid != KEV_INTERN_NONE) {
			code = CODE_OBJECT_UID;
		} else {
			put_bytes(value, &time, codes);
		}
		put_numbers(p, number, value->numbers, codes);
		number += value->numbers;
		p->value_codes[i] = (unsigned char)code;
	}
}

/* ---- taking apart ---- */

/* The shape that is not shared, behind what is the event's own. */
static void put_shape(const struct packer *p, struct kev_buf *codes)
{
	kev_buf_append(codes, p->shape_words, p->shape_count * sizeof(*p->shape_words));
	kev_buf_append(codes, p->value_codes, p->code_count);
	kev_buf_append_char(codes, (char)p->shape_count);
	kev_buf_append_char(codes, (char)p->code_count);
}

/* What the event is about, as a string. */
static void put_object(const struct packer *p, struct kev_buf *out)
{
	struct kev_str name = p->split.known->fields[KEV_PACK_OBJECT_NAME];

	kev_buf_reserve(out, OBJECT_WORDS * sizeof(uint32_t) + name.len);
	for (size_t i = 0; i < OBJECT_WORDS; i++)
		kev_buf_append(out, &p->wants[WANT_OBJECT + i].word, sizeof(uint32_t));
	kev_buf_append_str(out, name);
}

/* Make words of what the event is about, and of its shape, if that is shared: they hold the others then.
 * @return 0 or -ENOMEM: nothing has changed */
static int compose(struct packer *p, struct kev_intern *words, struct kev_pack *out)
{
	KEV_CLEANUP(buf_fini) struct kev_buf object;
	char shape[sizeof(p->shape_words) + sizeof(p->value_codes)];
	size_t held = p->shape_count * sizeof(*p->shape_words);
	int r;

	kev_buf_init(&object, KEV_INTERN_LEN_MAX);
	put_object(p, &object);
	memcpy(shape, p->shape_words, held);
	memcpy(shape + held, p->value_codes, p->code_count);
	struct kev_intern_want wants[] = {
		{.string = kev_buf_str(&object), .holds = OBJECT_WORDS, .needed = true},
		{.string = {shape, held + p->code_count}, .holds = (uint8_t)p->shape_count},
	};

	r = object.error ? object.error : kev_intern_take(words, wants, KEV_ARRAY_LEN(wants));
	if (r)
		return r;
	*out = (struct kev_pack){.object = wants[0].word,
		.node = p->wants[WANT_NODE].word,
		.object_uid = p->object_uid,
		.shape = wants[1].word};
	give_back(p, words, WANT_OBJECT, WANT_NODE);
	if (out->shape != KEV_INTERN_NONE)
		kev_intern_drop(words, p->shape_words, p->shape_count);
	return 0;
}

/* Take the words of a text, and put what is left of it. */
static int take(struct packer *p, struct kev_intern *words, struct kev_str text, struct kev_buf *codes)
{
	bool whole = pack_split_text(&p->split, text);
	int r = p->split.frame.error ? p->split.frame.error : p->split.patterns.error;

	if (r)
		return r;
	list_wants(p, whole);
	r = kev_intern_take(words, p->wants, p->count);
	if (r)
		return r;
	if (whole && p->wants[WANT_FRAME].word == KEV_INTERN_NONE) {
		/* Without a frame nothing holds the values. */
		give_back(p, words, WANT_FRAME, p->count);
		p->count = WANT_FRAME;
		whole = false;
	}
	p->shape_words[p->shape_count++] = p->wants[WANT_SHAPE + SHAPE_TYPE].word;
	p->shape_words[p->shape_count++] = p->wants[WANT_SHAPE + SHAPE_REASON].word;
	if (whole) {
		p->shape_words[p->shape_count++] = p->wants[WANT_FRAME].word;
		if (p->split.object_uid)
			p->object_uid = p->wants[p->count - 1].word;
		p->code_count = p->split.count;
		put_values(p, codes);
	} else {
		kev_buf_append_str(codes, text);
	}
	return 0;
}

static int make(struct packer *p, struct kev_intern *words, struct kev_str text, struct kev_buf *codes,
	struct kev_pack *out)
{
	int r = take(p, words, text, codes);

	if (r)
		return r;
	r = codes->error ? codes->error : compose(p, words, out);
	if (r) {
		give_back(p, words, WANT_OBJECT, p->count);
		return r;
	}
	if (out->shape != KEV_INTERN_NONE)
		return 0;
	put_shape(p, codes);
	if (codes->error) {
		kev_intern_drop(words, &out->object, 1);
		give_back(p, words, WANT_NODE, p->count);
	}
	return codes->error;
}

int kev_pack_make(struct kev_intern *words, const struct kev_pack_known *known, struct kev_str text,
	struct kev_buf *codes, struct kev_pack *out)
{
	struct packer packer;
	int r;

	packer.count = 0;
	packer.shape_count = 0;
	packer.code_count = 0;
	packer.object_uid = KEV_INTERN_NONE;
	pack_split_init(&packer.split, known);
	r = make(&packer, words, text, codes, out);
	pack_split_fini(&packer.split);
	return r;
}
