#include "pack_split.h"

#include <string.h>

#include "kevfs/base/num.h"
#include "kevfs/event/timestamp.h"
#include "varint.h"

/* A longer text is no usual Event: it is kept as it is. */
#define TEXT_MAX (16U << 10)

/* So long must a value be to be looked through for names, and a name to be looked for. */
#define PATTERN_MIN 12U
#define PATTERN_MAX 2048U
#define NAME_MIN 3U

void pack_split_init(struct pack_split *split, const struct kev_pack_known *known)
{
	split->known = known;
	split->count = 0;
	split->object_uid = NULL;
	split->number_count = 0;
	split->last_time = KEV_STR("");
	kev_buf_init(&split->frame, (size_t)TEXT_MAX * 2);
	kev_buf_init(&split->patterns, (size_t)TEXT_MAX * 2);
}

void pack_split_fini(struct pack_split *split)
{
	kev_buf_fini(&split->frame);
	kev_buf_fini(&split->patterns);
}

/* ---- what a value is ---- */

/* A time as Kubernetes prints it. */
static bool is_time(struct kev_str s, struct pack_value *out)
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

static bool is_known(const struct pack_split *split, struct pack_value *value)
{
	for (unsigned i = 0; i < KEV_PACK_OWN_COUNT; i++) {
		if (value->raw.len && kev_str_eq(value->raw, split->known->own[i])) {
			value->code = (enum code)(CODE_OWN + i);
			return true;
		}
	}
	for (unsigned i = 0; i < KEV_PACK_FIELD_COUNT; i++) {
		if (value->raw.len && kev_str_eq(value->raw, split->known->fields[i])) {
			value->code = (enum code)i;
			return true;
		}
	}
	return false;
}

/* ---- patterns ---- */

/* Could it be taken for a part of a mark, or hide one? */
static bool is_like_mark(struct kev_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.data[i] <= MARKED_MAX)
			return true;
	}
	return false;
}

/* Append what stands before a mark, and the mark. */
static void put_mark(struct kev_buf *out, const char *from, const char *to, enum mark mark)
{
	const char bytes[MARK_SIZE] = {MARK, (char)mark};

	kev_buf_append(out, from, (size_t)(to - from));
	kev_buf_append(out, bytes, MARK_SIZE);
}

/* Append s with a mark in place of each name. @return false where there is none: then nothing is appended */
static bool replace(struct kev_buf *out, struct kev_str s, struct kev_str name, enum mark mark)
{
	const char *at = s.data, *end = s.data + s.len, *found;

	if (name.len < NAME_MIN || is_like_mark(name))
		return false;
	while ((found = memmem(at, (size_t)(end - at), name.data, name.len))) {
		put_mark(out, at, found, mark);
		at = found + name.len;
	}
	if (at != s.data)
		kev_buf_append(out, at, (size_t)(end - at));
	return at != s.data;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Does a digit stand in the midst of a word? Then it is likely a hash's, whose digits would each be a number
 * of its own. */
static bool is_in_word(const char *start, const char *digit)
{
	char before = digit > start ? digit[-1] : ' ';

	/* "<1" is printed as "\u003c1". */
	if (digit - start >= 6 && digit[-6] == '\\' && digit[-5] == 'u')
		return false;
	return (before >= 'a' && before <= 'z') || (before >= 'A' && before <= 'Z');
}

/* The same of the numbers, which are noted. */
static bool replace_numbers(struct pack_split *split, struct kev_buf *out, struct kev_str s)
{
	const char *at = s.data, *end = s.data + s.len;

	for (const char *p = at, *behind; p < end; p = behind) {
		behind = p + 1;
		if (!is_digit(*p))
			continue;
		while (behind < end && is_digit(*behind))
			behind++;
		if (is_in_word(s.data, p) || split->number_count == NUMBERS_MAX ||
			!kev_num_parse_canonical((struct kev_str){p, (size_t)(behind - p)},
				&split->numbers[split->number_count]))
			continue;
		split->number_count++;
		put_mark(out, at, p, MARKED_NUMBER);
		at = behind;
	}
	if (at != s.data)
		kev_buf_append(out, at, (size_t)(end - at));
	return at != s.data;
}

/* "Successfully assigned default/web-1 to node-3" is said of every pod: of what the event is about, and
 * where, and how long it took, only marks are left. */
static void find_pattern(struct pack_split *split, struct pack_value *value)
{
	static const struct {
		enum kev_pack_field field;
		enum mark mark;
	} names[] = {{KEV_PACK_OBJECT_NAME, MARKED_OBJECT}, {KEV_PACK_NAMESPACE, MARKED_NAMESPACE},
		{KEV_PACK_NODE, MARKED_NODE}};
	/* A digit with a blank behind it becomes a mark with a blank behind it. */
	char space[2][PATTERN_MAX * MARK_SIZE];
	struct kev_str now = value->raw;
	size_t first_number = split->number_count;
	unsigned found = 0;

	if (now.len < PATTERN_MIN || now.len > PATTERN_MAX)
		return;
	for (size_t i = 0; i <= KEV_ARRAY_LEN(names); i++) {
		struct kev_buf next = {
			.data = space[found % 2], .room = sizeof(space[0]), .max = sizeof(space[0])};

		if (i < KEV_ARRAY_LEN(names)
				? replace(&next, now, split->known->fields[names[i].field], names[i].mark)
				: replace_numbers(split, &next, now)) {
			found++;
			now = kev_buf_str(&next);
		}
	}
	if (!found)
		return;
	value->code = CODE_PATTERN;
	value->pattern.len = now.len;
	value->numbers = split->number_count - first_number;
	kev_buf_append_str(&split->patterns, now);
}

/* Only now they do not move any more. */
static void place_patterns(struct pack_split *split)
{
	size_t at = 0;

	for (size_t i = 0; i < split->count && !split->patterns.error; i++) {
		struct pack_value *value = &split->values[i];

		if (value->code != CODE_PATTERN)
			continue;
		value->pattern.data = split->patterns.data + at;
		at += value->pattern.len;
	}
}

/* ---- values ---- */

static void add_value(struct pack_split *split, struct kev_str raw)
{
	struct pack_value *value = &split->values[split->count++];

	value->raw = raw;
	value->code = CODE_LITERAL;
	value->numbers = 0;
	if (is_known(split, value))
		return;
	if (kev_num_parse_canonical(raw, &value->number)) {
		value->code = CODE_NUMBER;
	} else if (split->last_time.len && kev_str_eq(raw, split->last_time)) {
		value->code = CODE_SAME_TIME;
	} else if (is_time(raw, value)) {
		split->last_time = raw;
	} else if (uuid_parse(raw, value->uuid)) {
		/* Its own is known. What it is about stands before all else that has a uid. */
		value->code = CODE_UUID;
		if (!split->object_uid)
			split->object_uid = value;
	} else {
		find_pattern(split, value);
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

bool pack_split_text(struct pack_split *split, struct kev_str text)
{
	const char *at = text.data, *end = text.data + text.len, *done = at;

	if (text.len > TEXT_MAX || (text.len && memchr(text.data, MARK, text.len)))
		return false;
	/* Once, for what is about to come. */
	kev_buf_reserve(&split->frame, text.len);
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at)), *behind = newline ? newline : end;
		struct kev_str raw;

		if (find_value((struct kev_str){at, (size_t)(behind - at)}, &raw)) {
			if (split->count == VALUES_MAX)
				return false;
			add_value(split, raw);
			varint_put_str(&split->frame, (struct kev_str){done, (size_t)(raw.data - done)});
			done = raw.data + raw.len;
		}
		at = behind + (newline ? 1 : 0);
	}
	varint_put_str(&split->frame, (struct kev_str){done, (size_t)(end - done)});
	place_patterns(split);
	return true;
}
