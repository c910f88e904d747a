#include "kevfs/event/print.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/text.h"
#include "kevfs/event/number.h"
#include "runs.h"

/* Members of all objects that are open at once, before the heap is asked: an event's, and those of its
 * metadata. */
#define FIRST_ROOM 64

/* Up to here insertion is faster than qsort; beyond it the order must not cost the square. */
#define INSERTION_MAX 24

/* Values of members that are filled in, where others have a token's index. They are larger than every index,
 * so they win as the last of duplicates. */
#define FILLED_KIND (KEV_JSON_NONE - 2)
#define FILLED_API_VERSION (KEV_JSON_NONE - 1)

struct member {
	uint64_t prefix; /* the key's first eight bytes, the first one highest: most comparisons need no more
			  */
	const char *key; /* decoded, borrowed from the text or from printer.keys; only while it is sorted */
	uint32_t len;    /* of the key */
	uint32_t value;  /* token index, its key's is one less; or FILLED_... */
};

struct printer {
	const struct kev_json *json;
	struct kev_buf *out;
	uint32_t root, metadata;
	struct member *members; /* of all objects that are open, the innermost last; first, or owned */
	size_t count, room;
	struct kev_buf keys; /* decoded keys of the object that is being sorted */
	struct member first[FIRST_ROOM];
};

/* In-line for what nearly always is the case: it fits. */
static inline void put(struct printer *p, const char *data, size_t len)
{
	struct kev_buf *out = p->out;

	if (out->error || len > out->room - out->len || len > out->max - out->len) {
		kev_buf_append(out, data, len);
		return;
	}
	memcpy(out->data + out->len, data, len);
	out->len += len;
}

static inline void put_line(struct printer *p, size_t depth)
{
	/* A newline and the indentation of the depths that occur. */
	static const char line[] = "\n                                ";
	size_t columns = 4 * depth;

	if (columns < sizeof(line) - 1) {
		put(p, line, 1 + columns);
	} else {
		put(p, "\n", 1);
		kev_buf_append_fill(p->out, ' ', columns);
	}
}

/* One character as encoding/json writes it when it escapes for HTML, as it does by default. */
static void put_char(struct printer *p, uint32_t codepoint)
{
	static const char hex[] = "0123456789abcdef", special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *found = codepoint && codepoint < 0x80 ? strchr(special, (int)codepoint) : NULL;
	char text[6] = {'\\', 'u', hex[codepoint >> 12 & 15], hex[codepoint >> 8 & 15],
		hex[codepoint >> 4 & 15], hex[codepoint & 15]};

	if (found) {
		text[1] = letters[found - special];
		put(p, text, 2);
	} else if (codepoint < 0x20 || codepoint == '<' || codepoint == '>' || codepoint == '&' ||
		   codepoint == 0x2028 || codepoint == 0x2029) {
		put(p, text, 6);
	} else {
		put(p, text, kev_text_encode_utf8(codepoint, text));
	}
}

/* Behind the bytes from text on that are printed as they stand. */
static const char *skip_verbatim(const char *text, const char *end, bool plain)
{
	text = run_string(text, end);
	/* In valid UTF-8 only U+2028 and U+2029 are not, which begin with 0xe2. */
	while (plain && text < end && (unsigned char)*text >= 0x80 && (unsigned char)*text != 0xe2)
		text++;
	return text;
}

static void put_string(struct printer *p, uint32_t index)
{
	const struct kev_json_token *token = kev_json_token(p->json, index);
	struct kev_str raw = kev_json_raw(p->json, index);
	const char *text = raw.data, *end = raw.data + raw.len;

	if (token->same) {
		put(p, text - 1, raw.len + 2); /* the quotes are there as well */
		return;
	}
	put(p, "\"", 1);
	while (text < end) {
		const char *stop = skip_verbatim(text, end, token->plain);
		uint32_t codepoint;

		put(p, text, (size_t)(stop - text));
		text = stop;
		if (text < end) {
			text += kev_json_decode_char(
				(struct kev_str){text, (size_t)(end - text)}, &codepoint);
			put_char(p, codepoint);
		}
	}
	put(p, "\"", 1);
}

/* What is not printed is read all the same: kubectl refuses an object for a number in its managedFields. */
static int check_numbers(struct printer *p, uint32_t index)
{
	KEV_CLEANUP(buf_fini) struct kev_buf scratch;
	uint32_t end = kev_json_token(p->json, index)->next;
	int r = 0;

	kev_buf_init(&scratch, 1024);
	for (; index < end && !r; index++) {
		if (kev_json_is(p->json, index, KEV_JSON_NUMBER)) {
			kev_buf_clear(&scratch);
			r = kev_number_append(&scratch, kev_json_raw(p->json, index));
		}
	}
	return r;
}

static int add_member(struct printer *p, struct kev_str key, uint32_t value)
{
	if (p->count == p->room) {
		struct member *old = p->members == p->first ? NULL : p->members;
		struct member *members = reallocarray(old, p->room * 2, sizeof(*members));

		if (!members)
			return -ENOMEM;
		if (!old)
			memcpy(members, p->first, sizeof(p->first));
		p->members = members;
		p->room *= 2;
	}
	p->members[p->count++] = (struct member){.key = key.data, .len = (uint32_t)key.len, .value = value};
	return 0;
}

static inline uint64_t key_prefix(const struct member *member)
{
	uint64_t word = 0;

	if (member->len >= sizeof(word))
		memcpy(&word, member->key, sizeof(word));
	else if (member->len)
		memcpy(&word, member->key, member->len);
	return be64toh(word);
}

static inline struct kev_str key_of(const struct member *member)
{
	return (struct kev_str){member->key, member->len};
}

/* Point the members from first on to their decoded keys: the scratch does not move any more. */
static int decode_keys(struct printer *p, size_t first)
{
	size_t offset = 0;

	if (p->keys.error)
		return p->keys.error;
	for (size_t i = first; i < p->count; i++) {
		struct member *member = &p->members[i];

		if (!kev_json_token(p->json, member->value - 1)->plain) {
			member->key = p->keys.data + offset;
			offset += member->len;
		}
	}
	return 0;
}

/* Push the members of an object. */
static int push_members(struct printer *p, uint32_t object)
{
	size_t first = p->count;
	uint32_t key = object + 1;
	int r = 0;

	kev_buf_clear(&p->keys);
	for (uint32_t left = kev_json_token(p->json, object)->count; left > 0 && !r; left--) {
		uint32_t value = key + 1;
		struct kev_str decoded = kev_json_raw(p->json, key);

		if (object == p->metadata && kev_json_string_is(p->json, key, KEV_STR("managedFields"))) {
			r = check_numbers(p, value);
		} else {
			if (!kev_json_token(p->json, key)->plain) {
				size_t before = p->keys.len;

				kev_json_append_string(p->json, key, &p->keys);
				decoded = (struct kev_str){NULL, p->keys.len - before};
			}
			r = add_member(p, decoded, value);
		}
		key = kev_json_token(p->json, value)->next;
	}
	return r ? r : decode_keys(p, first);
}

/* A list's items have neither kind nor apiVersion. kubectl fills in both where both are missing; with one of
 * them it shows the other as it is, or refuses. */
static int push_type(struct printer *p)
{
	static const struct kev_str keys[] = {
		{"kind", sizeof("kind") - 1}, {"apiVersion", sizeof("apiVersion") - 1}};
	uint32_t values[KEV_ARRAY_LEN(keys)];
	bool missing[KEV_ARRAY_LEN(keys)];
	int r = 0;

	kev_json_get_many(p->json, p->root, keys, KEV_ARRAY_LEN(keys), values);
	for (size_t i = 0; i < KEV_ARRAY_LEN(keys); i++)
		missing[i] = !kev_json_is(p->json, values[i], KEV_JSON_STRING) ||
			     kev_json_token(p->json, values[i])->len == 0;
	if (missing[0])
		r = add_member(p, keys[0], FILLED_KIND);
	if (missing[0] && missing[1] && !r)
		r = add_member(p, keys[1], FILLED_API_VERSION);
	return r;
}

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	r = kev_str_cmp(key_of(x), key_of(y));
	return r ? r : (x->value > y->value) - (x->value < y->value);
}

static void sort_members(struct member *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
		members[i].prefix = key_prefix(&members[i]);
	if (count > INSERTION_MAX) {
		qsort(members, count, sizeof(*members), compare_members);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		struct member member = members[i];
		size_t j = i;

		for (; j > 0 && compare_members(&members[j - 1], &member) > 0; j--)
			members[j] = members[j - 1];
		members[j] = member;
	}
}

/* Of duplicates, which stand side by side now, keep the last. */
static int drop_duplicates(struct printer *p, size_t first)
{
	size_t kept = first;
	int r = 0;

	for (size_t i = first; i < p->count && !r; i++) {
		struct member *member = &p->members[i];

		if (i + 1 < p->count && kev_str_eq(key_of(member), key_of(&member[1])))
			r = check_numbers(p, member->value);
		else
			p->members[kept++] = *member;
	}
	p->count = kept;
	return r;
}

static int put_value(struct printer *p, uint32_t index, size_t depth);

static int put_member(struct printer *p, uint32_t value, size_t depth)
{
	put_line(p, depth);
	if (value == FILLED_KIND) {
		put(p, "\"kind\": \"Event\"", 15);
		return 0;
	}
	if (value == FILLED_API_VERSION) {
		put(p, "\"apiVersion\": \"v1\"", 18);
		return 0;
	}
	put_string(p, value - 1);
	put(p, ": ", 2);
	return put_value(p, value, depth);
}

static int put_object(struct printer *p, uint32_t index, size_t depth)
{
	size_t first = p->count;
	int r = push_members(p, index);

	if (!r && index == p->root)
		r = push_type(p);
	if (r)
		return r;
	sort_members(p->members + first, p->count - first);
	r = drop_duplicates(p, first);
	put(p, "{", 1);
	for (size_t i = first; i < p->count && !r; i++) {
		if (i > first)
			put(p, ",", 1);
		r = put_member(p, p->members[i].value, depth + 1);
	}
	if (p->count > first)
		put_line(p, depth);
	put(p, "}", 1);
	p->count = first;
	return r;
}

static int put_array(struct printer *p, uint32_t index, size_t depth)
{
	uint32_t element = index + 1, end = kev_json_token(p->json, index)->next;
	int r = 0;

	put(p, "[", 1);
	for (; element < end && !r; element = kev_json_token(p->json, element)->next) {
		if (element > index + 1)
			put(p, ",", 1);
		put_line(p, depth + 1);
		r = put_value(p, element, depth + 1);
	}
	if (end > index + 1)
		put_line(p, depth);
	put(p, "]", 1);
	return r;
}

/* Recursion is bounded: the scanner refuses what nests deeper than KEV_JSON_DEPTH_MAX. */
static int put_value(struct printer *p, uint32_t index, size_t depth)
{
	struct kev_str raw = kev_json_raw(p->json, index);
	int r = 0;

	switch ((enum kev_json_type)kev_json_token(p->json, index)->type) {
	case KEV_JSON_OBJECT:
		r = put_object(p, index, depth);
		break;
	case KEV_JSON_ARRAY:
		r = put_array(p, index, depth);
		break;
	case KEV_JSON_STRING:
		put_string(p, index);
		break;
	case KEV_JSON_NUMBER:
		r = kev_number_append(p->out, raw);
		break;
	case KEV_JSON_TRUE:
	case KEV_JSON_FALSE:
	case KEV_JSON_NULL:
		put(p, raw.data, raw.len);
		break;
	}
	return r ? r : p->out->error;
}

int kev_print_event(const struct kev_json *json, uint32_t index, struct kev_buf *out)
{
	struct printer p = {.json = json, .out = out, .root = index, .room = FIRST_ROOM};
	size_t before = out->len;
	int r;

	if (!kev_json_is(json, index, KEV_JSON_OBJECT))
		return -EINVAL;
	p.members = p.first;
	p.metadata = kev_json_get(json, index, "metadata");
	kev_buf_init(&p.keys, (size_t)KEV_JSON_TEXT_MAX * 3);
	r = put_object(&p, index, 0);
	put(&p, "\n", 1);
	if (!r)
		r = out->error;
	if (r)
		out->len = before;
	if (p.members != p.first)
		free(p.members);
	kev_buf_fini(&p.keys);
	return r;
}
