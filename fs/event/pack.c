#include "kevfs/event/pack.h"

#include <stdbool.h>
#include <string.h>

#include "kevfs/base/num.h"
#include "kevfs/event/timestamp.h"
#include "pack_codes.h"

/* A longer text is no usual Event: it is kept as it is. */
#define TEXT_MAX (16U << 10)

/* So long must a value be to be looked through for names, and a name to be looked for. */
#define PATTERN_MIN 12U
#define NAME_MIN 3U

/* ---- bytes ---- */

static void put_varint(struct kev_buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		kev_buf_append_char(out, (char)(0x80 | (value & 0x7f)));
	kev_buf_append_char(out, (char)value);
}

static void put_fixed(struct kev_buf *out, uint64_t value, int size)
{
	for (int i = 0; i < size; i++)
		kev_buf_append_char(out, (char)(value >> 8 * i));
}

/* ---- taking apart ---- */

struct value {
	struct kev_str raw;
	enum code code;
	uint64_t number;        /* a time in ns, or a decimal number */
	struct kev_str pattern; /* raw with marks, in packer.patterns; empty: it has none */
};

struct packer {
	const struct kev_pack_known *known;
	struct value values[VALUES_MAX];
	size_t count;
	struct kev_str last_time;
	struct kev_buf frame, patterns;
	/* The fields, the frame, then a value each. */
	struct kev_intern_want wants[KEV_PACK_FIELD_COUNT + 1 + VALUES_MAX];
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_uuid(struct kev_str s)
{
	if (s.len != UUID_SIZE)
		return false;
	for (size_t i = 0; i < UUID_SIZE; i++) {
		if (pack_is_dash(i) ? s.data[i] != '-' : hex_digit(s.data[i]) < 0)
			return false;
	}
	return true;
}

/* A time as Kubernetes prints it. */
static bool is_time(struct kev_str s, struct value *out)
{
	int64_t ns;

	if ((s.len != SECOND_SIZE && s.len != MICROSECOND_SIZE) || s.data[10] != 'T' ||
		s.data[s.len - 1] != 'Z' || kev_timestamp_parse(s, &ns) || ns / KEV_NS_PER_SEC > UINT32_MAX)
		return false;
	if (s.len == MICROSECOND_SIZE && s.data[SECOND_SIZE - 1] != '.')
		return false;
	out->code = s.len == SECOND_SIZE ? CODE_SECOND : CODE_MICROSECOND;
	out->number = (uint64_t)ns;
	return true;
}

static bool is_number(struct kev_str s, uint64_t *out)
{
	return s.len > 0 && s.len < 19 && (s.data[0] != '0' || s.len == 1) &&
	       kev_num_parse_u64(s, INT64_MAX, out) == 0;
}

static bool is_known(const struct packer *p, struct value *value)
{
	for (unsigned i = 0; i < KEV_PACK_OWN_COUNT; i++) {
		if (value->raw.len && kev_str_eq(value->raw, p->known->own[i])) {
			value->code = (enum code)(CODE_OWN + i);
			return true;
		}
	}
	for (unsigned i = 0; i < KEV_PACK_FIELD_COUNT; i++) {
		if (value->raw.len && kev_str_eq(value->raw, p->known->fields[i])) {
			value->code = (enum code)i;
			return true;
		}
	}
	return false;
}

static bool has_mark(struct kev_str s)
{
	static const char marks[] = {HOLE, MARK_OBJECT, MARK_NAMESPACE, MARK_NODE};

	for (size_t i = 0; i < sizeof(marks); i++) {
		if (s.len && memchr(s.data, marks[i], s.len))
			return true;
	}
	return false;
}

/* Append s with a mark in place of each name. @return whether there was one */
static bool replace(struct kev_buf *out, struct kev_str s, struct kev_str name, char mark)
{
	bool found = false;
	const char *at;

	if (name.len < NAME_MIN || has_mark(name)) {
		kev_buf_append_str(out, s);
		return false;
	}
	while ((at = memmem(s.data, s.len, name.data, name.len))) {
		size_t before = (size_t)(at - s.data);

		kev_buf_append(out, s.data, before);
		kev_buf_append_char(out, mark);
		s.data += before + name.len;
		s.len -= before + name.len;
		found = true;
	}
	kev_buf_append_str(out, s);
	return found;
}

/* "Successfully assigned default/web-1 to node-3" is said of every pod: of what the event is about, and
 * where, only marks are left. */
static void find_pattern(struct packer *p, struct value *value)
{
	static const struct {
		enum kev_pack_field field;
		char mark;
	} names[] = {{KEV_PACK_OBJECT_NAME, MARK_OBJECT}, {KEV_PACK_NAMESPACE, MARK_NAMESPACE},
		{KEV_PACK_NODE, MARK_NODE}};
	char space[2][TEXT_MAX / 8];
	struct kev_str now = value->raw;
	unsigned found = 0;

	if (now.len < PATTERN_MIN || now.len > sizeof(space[0]))
		return;
	for (size_t i = 0; i < KEV_ARRAY_LEN(names); i++) {
		/* What is replaced becomes shorter, so it fits. */
		struct kev_buf next = {
			.data = space[found % 2], .room = sizeof(space[0]), .max = sizeof(space[0])};

		if (replace(&next, now, p->known->fields[names[i].field], names[i].mark)) {
			found++;
			now = kev_buf_str(&next);
		}
	}
	if (!found)
		return;
	value->pattern.len = now.len;
	kev_buf_append_str(&p->patterns, now);
}

static void add_value(struct packer *p, struct kev_str raw)
{
	struct value *value = &p->values[p->count++];

	*value = (struct value){.raw = raw, .code = CODE_LITERAL};
	if (is_known(p, value))
		return;
	if (is_number(raw, &value->number)) {
		value->code = CODE_NUMBER;
	} else if (p->last_time.len && kev_str_eq(raw, p->last_time)) {
		value->code = CODE_SAME_TIME;
	} else if (is_time(raw, value)) {
		p->last_time = raw;
	} else if (is_uuid(raw)) {
		value->code = CODE_UUID;
	} else {
		find_pattern(p, value);
	}
}

/* The value in a line of a member, `   "key": value,`: without its quotes. @return false where there is none
 */
static bool find_value(struct kev_str line, struct kev_str *out)
{
	const char *p = memchr(line.data, '"', line.len), *end = line.data + line.len;

	p = p ? memchr(p + 1, '"', (size_t)(end - p) - 1) : NULL;
	if (!p || end - p < 4 || p[1] != ':' || p[2] != ' ')
		return false;
	p += 3;
	end -= end[-1] == ',';
	if (end - p >= 2 && *p == '"' && end[-1] == '"') {
		*out = (struct kev_str){p + 1, (size_t)(end - p) - 2};
		return true;
	}
	*out = (struct kev_str){p, (size_t)(end - p)};
	return end > p && *p >= '0' && *p <= '9';
}

/* @return whether all of the text has gone into the frame and the values */
static bool split(struct packer *p, struct kev_str text)
{
	const char *at = text.data, *end = text.data + text.len;

	if (text.len > TEXT_MAX || has_mark(text))
		return false;
	/* Once, for what is about to come. */
	kev_buf_reserve(&p->frame, text.len);
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at)), *behind = newline ? newline : end;
		struct kev_str raw;

		if (find_value((struct kev_str){at, (size_t)(behind - at)}, &raw)) {
			if (p->count == VALUES_MAX)
				return false;
			add_value(p, raw);
			kev_buf_append(&p->frame, at, (size_t)(raw.data - at));
			kev_buf_append_char(&p->frame, HOLE);
			at = raw.data + raw.len;
		}
		behind += newline ? 1 : 0;
		kev_buf_append(&p->frame, at, (size_t)(behind - at));
		at = behind;
	}
	return true;
}

/* @return how many wants there are */
static size_t list_wants(struct packer *p, bool whole)
{
	size_t n = 0, pattern = 0;

	for (; n < KEV_PACK_FIELD_COUNT; n++)
		p->wants[n] = (struct kev_intern_want){.string = p->known->fields[n], .needed = true};
	if (!whole)
		return n;
	p->wants[n++] = (struct kev_intern_want){.string = kev_buf_str(&p->frame)};
	for (size_t i = 0; i < p->count; i++) {
		struct value *value = &p->values[i];

		if (value->code != CODE_LITERAL)
			continue;
		if (value->pattern.len) {
			value->pattern.data = p->patterns.data + pattern;
			pattern += value->pattern.len;
		}
		p->wants[n++] =
			(struct kev_intern_want){.string = value->pattern.len ? value->pattern : value->raw};
	}
	return n;
}

static void put_literal(struct kev_buf *codes, const struct value *value, uint32_t word)
{
	struct kev_str s = value->pattern.len ? value->pattern : value->raw;

	if (word != KEV_INTERN_NONE && value->pattern.len) {
		put_varint(codes, CODE_PATTERN_WORD);
		put_varint(codes, word);
	} else if (word != KEV_INTERN_NONE) {
		put_varint(codes, (uint64_t)CODE_WORD + word);
	} else {
		put_varint(codes, value->pattern.len ? CODE_PATTERN : CODE_LITERAL);
		put_varint(codes, s.len);
		kev_buf_append_str(codes, s);
	}
}

static void put_uuid(struct kev_buf *codes, struct kev_str s)
{
	for (size_t i = 0; i < s.len; i += 2) {
		i += pack_is_dash(i);
		kev_buf_append_char(codes, (char)(hex_digit(s.data[i]) * 16 + hex_digit(s.data[i + 1])));
	}
}

static void put_value(struct kev_buf *codes, const struct value *value, uint32_t word)
{
	if (value->code == CODE_LITERAL) {
		put_literal(codes, value, word);
		return;
	}
	put_varint(codes, value->code);
	if (value->code == CODE_NUMBER)
		put_varint(codes, value->number);
	if (value->code == CODE_UUID)
		put_uuid(codes, value->raw);
	if (value->code == CODE_SECOND || value->code == CODE_MICROSECOND)
		put_fixed(codes, value->number / KEV_NS_PER_SEC, 4);
	if (value->code == CODE_MICROSECOND)
		put_fixed(codes, value->number % KEV_NS_PER_SEC / 1000, 3);
}

static void put_values(const struct packer *p, struct kev_buf *codes)
{
	const struct kev_intern_want *want = &p->wants[KEV_PACK_FIELD_COUNT + 1];

	for (size_t i = 0; i < p->count; i++) {
		bool wanted = p->values[i].code == CODE_LITERAL;

		put_value(codes, &p->values[i], wanted ? want->word : KEV_INTERN_NONE);
		want += wanted;
	}
}

/* Without a frame nothing holds the values. */
static void give_back(const struct packer *p, struct kev_intern *words, size_t from, size_t count)
{
	for (size_t i = from; i < count; i++)
		kev_intern_drop(words, &p->wants[i].word, 1);
}

static int make(struct packer *p, struct kev_intern *words, struct kev_str text, struct kev_buf *codes,
	struct kev_pack *out)
{
	bool whole = split(p, text);
	size_t count;
	int r;

	r = p->frame.error ? p->frame.error : p->patterns.error;
	if (r)
		return r;
	count = list_wants(p, whole);
	r = kev_intern_take(words, p->wants, count);
	if (r)
		return r;
	for (size_t i = 0; i < KEV_PACK_FIELD_COUNT; i++)
		out->fields[i] = p->wants[i].word;
	out->frame = whole ? p->wants[KEV_PACK_FIELD_COUNT].word : KEV_INTERN_NONE;
	if (out->frame != KEV_INTERN_NONE) {
		put_values(p, codes);
	} else {
		give_back(p, words, KEV_PACK_FIELD_COUNT, count);
		kev_buf_append_str(codes, text);
	}
	if (codes->error)
		give_back(p, words, 0, out->frame != KEV_INTERN_NONE ? count : KEV_PACK_FIELD_COUNT);
	return codes->error;
}

int kev_pack_make(struct kev_intern *words, const struct kev_pack_known *known, struct kev_str text,
	struct kev_buf *codes, struct kev_pack *out)
{
	struct packer packer;
	int r;

	packer.known = known;
	packer.count = 0;
	packer.last_time = KEV_STR("");
	kev_buf_init(&packer.frame, (size_t)TEXT_MAX * 2);
	kev_buf_init(&packer.patterns, (size_t)TEXT_MAX * 2);
	r = make(&packer, words, text, codes, out);
	kev_buf_fini(&packer.frame);
	kev_buf_fini(&packer.patterns);
	return r;
}
