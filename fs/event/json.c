#include "kevfs/event/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/text.h"
#include "runs.h"

/* The first array; an event needs one of this size. */
#define FIRST_ROOM 256

/* What one large text needed is not kept for ever. */
#define KEPT_ROOM 16384

#define REPLACEMENT 0xfffd

struct kev_json {
	struct kev_str text;           /* borrowed */
	struct kev_json_token *tokens; /* owned; room of them */
	uint32_t count;                /* tokens in use */
	uint32_t room;
};

/*
 * The state of one scan. It never leaves kev_json_scan() but through functions that are inlined, so that the
 * compiler keeps it in registers: through a pointer every store to a token would be a reload of p.
 */
struct scan {
	const char *begin, *p, *end;
	struct kev_json *json;
	const char *wrong; /* what is wrong at p, once a step has failed */
	uint32_t open;     /* the innermost container that is not closed; its next is the one around it */
	uint32_t depth;
};

#define ALWAYS_INLINE inline __attribute__((always_inline))

struct kev_json *kev_json_create(void)
{
	return calloc(1, sizeof(struct kev_json));
}

void kev_json_destroy(struct kev_json *json)
{
	if (!json)
		return;
	free(json->tokens);
	free(json);
}

static int grow(struct kev_json *json)
{
	uint32_t room = json->room ? json->room * 2 : FIRST_ROOM;
	struct kev_json_token *tokens;

	if (room > KEV_JSON_TOKENS_MAX)
		return -E2BIG;
	tokens = realloc(json->tokens, room * sizeof(*tokens));
	if (!tokens)
		return -ENOMEM;
	json->tokens = tokens;
	json->room = room;
	return 0;
}

static ALWAYS_INLINE int fail(struct scan *s, const char *wrong)
{
	s->wrong = wrong;
	return -EINVAL;
}

static ALWAYS_INLINE int add_token(struct scan *s, enum kev_json_type type, struct kev_json_token **out)
{
	struct kev_json *json = s->json;
	struct kev_json_token *token;

	if (json->count == json->room) {
		int r = grow(json);

		if (r) {
			s->wrong = "too many values";
			return r;
		}
	}
	token = &json->tokens[json->count++];
	*token = (struct kev_json_token){
		.start = (uint32_t)(s->p - s->begin), .next = json->count, .type = (uint8_t)type};
	*out = token;
	return 0;
}

static ALWAYS_INLINE void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static ALWAYS_INLINE bool at(const struct scan *s, char c)
{
	return s->p < s->end && *s->p == c;
}

static ALWAYS_INLINE bool at_digit(const struct scan *s)
{
	return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The length of the escape sequence at p, or 0 where it is none. */
static size_t escape_length(const char *p, const char *end)
{
	if (end - p < 2)
		return 0;
	if (p[1] != 'u')
		return p[1] && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
	if (end - p < 6)
		return 0;
	for (int i = 2; i < 6; i++) {
		if (hex_value(p[i]) < 0)
			return 0;
	}
	return 6;
}

/* Behind the non-ASCII bytes at p; the flags become false where it is not UTF-8, or Go escapes it. */
static const char *skip_utf8(const char *p, const char *end, bool *plain, bool *same)
{
	while (p < end && (unsigned char)*p >= 0x80) {
		size_t len = kev_text_decode_utf8((struct kev_str){p, (size_t)(end - p)}, NULL);

		if (!len)
			*plain = false;
		/* U+2028 and U+2029 differ in their last bit. */
		if (len == 3 && p[0] == '\xe2' && p[1] == '\x80' && (p[2] | 1) == '\xa9')
			*same = false;
		p += len ? len : 1;
	}
	return p;
}

/* p stands on the opening quote, and then behind the closing one. */
static ALWAYS_INLINE int scan_string(struct scan *s)
{
	struct kev_json_token *token;
	bool plain = true, same = true;
	int r;

	s->p++;
	r = add_token(s, KEV_JSON_STRING, &token);
	if (r)
		return r;
	for (;;) {
		s->p = run_string(s->p, s->end);
		if (s->p == s->end)
			return fail(s, "the text ends inside a string");
		if (*s->p == '"')
			break;
		if ((unsigned char)*s->p >= 0x80) {
			s->p = skip_utf8(s->p, s->end, &plain, &same);
		} else if (*s->p == '\\') {
			size_t len = escape_length(s->p, s->end);

			if (!len)
				return fail(s, "no such escape");
			plain = false;
			s->p += len;
		} else if ((unsigned char)*s->p < 0x20) {
			return fail(s, "a control character inside a string");
		} else {
			same = false;
			s->p++;
		}
	}
	token->len = (uint32_t)(s->p - s->begin) - token->start;
	token->plain = plain;
	token->same = plain && same;
	s->p++;
	return 0;
}

static ALWAYS_INLINE int scan_digits(struct scan *s)
{
	if (!at_digit(s))
		return fail(s, "expected a digit");
	while (at_digit(s))
		s->p++;
	return 0;
}

static ALWAYS_INLINE int scan_number(struct scan *s)
{
	struct kev_json_token *token;
	int r = add_token(s, KEV_JSON_NUMBER, &token);

	if (r)
		return r;
	if (at(s, '-'))
		s->p++;
	if (at(s, '0'))
		s->p++;
	else if (scan_digits(s))
		return -EINVAL;
	if (at(s, '.')) {
		s->p++;
		if (scan_digits(s))
			return -EINVAL;
	}
	if (at(s, 'e') || at(s, 'E')) {
		s->p++;
		if (at(s, '+') || at(s, '-'))
			s->p++;
		if (scan_digits(s))
			return -EINVAL;
	}
	token->len = (uint32_t)(s->p - s->begin) - token->start;
	return 0;
}

static ALWAYS_INLINE int scan_literal(struct scan *s, enum kev_json_type type, const char *word, uint32_t len)
{
	struct kev_json_token *token;
	int r;

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return fail(s, "expected a value");
	r = add_token(s, type, &token);
	if (r)
		return r;
	token->len = len;
	s->p += len;
	return 0;
}

/* A key and its colon; p is on the key's quote or in front of it. */
static ALWAYS_INLINE int scan_key(struct scan *s)
{
	int r;

	skip_space(s);
	if (!at(s, '"'))
		return fail(s, "expected a key");
	r = scan_string(s);
	if (r)
		return r;
	skip_space(s);
	if (!at(s, ':'))
		return fail(s, "expected ':'");
	s->p++;
	return 0;
}

static ALWAYS_INLINE void close_container(struct scan *s)
{
	struct kev_json_token *token = &s->json->tokens[s->open];

	s->p++;
	token->len = (uint32_t)(s->p - s->begin) - token->start;
	s->open = token->next;
	token->next = s->json->count;
	s->depth--;
}

/* @return 0 where the container is empty and closed again, 1 where its first value follows, or -errno */
static ALWAYS_INLINE int open_container(struct scan *s, enum kev_json_type type, char close)
{
	struct kev_json_token *token;
	int r;

	if (s->depth == KEV_JSON_DEPTH_MAX) {
		s->wrong = "nested too deep";
		return -E2BIG;
	}
	r = add_token(s, type, &token);
	if (r)
		return r;
	token->next = s->open;
	s->open = s->json->count - 1;
	s->depth++;
	s->p++;
	skip_space(s);
	if (at(s, close)) {
		close_container(s);
		return 0;
	}
	if (type == KEV_JSON_OBJECT)
		r = scan_key(s);
	return r ? r : 1;
}

/* @return 0 where a whole value was read, 1 where a container was opened and a value follows, or -errno */
static ALWAYS_INLINE int scan_value(struct scan *s)
{
	skip_space(s);
	if (s->p == s->end)
		return fail(s, "the text ends where a value is expected");
	switch (*s->p) {
	case '"':
		return scan_string(s);
	case '{':
		return open_container(s, KEV_JSON_OBJECT, '}');
	case '[':
		return open_container(s, KEV_JSON_ARRAY, ']');
	case 't':
		return scan_literal(s, KEV_JSON_TRUE, "true", 4);
	case 'f':
		return scan_literal(s, KEV_JSON_FALSE, "false", 5);
	case 'n':
		return scan_literal(s, KEV_JSON_NULL, "null", 4);
	case '-':
	case '0' ... '9':
		return scan_number(s);
	default:
		return fail(s, "expected a value");
	}
}

/* Behind a whole value: close what closes. @return 0 at the end of the root, 1 where a value follows, or
 * -errno */
static ALWAYS_INLINE int scan_after(struct scan *s)
{
	while (s->open != KEV_JSON_NONE) {
		struct kev_json_token *token = &s->json->tokens[s->open];
		bool object = token->type == KEV_JSON_OBJECT;
		int r = 0;

		token->count++;
		skip_space(s);
		if (at(s, ',')) {
			s->p++;
			if (object)
				r = scan_key(s);
			return r ? r : 1;
		}
		if (!at(s, object ? '}' : ']'))
			return fail(s, object ? "expected ',' or '}'" : "expected ',' or ']'");
		close_container(s);
	}
	return 0;
}

static ALWAYS_INLINE int scan_text(struct scan *s)
{
	int r;

	do {
		r = scan_value(s);
		if (r == 0)
			r = scan_after(s);
	} while (r == 1);
	if (r)
		return r;
	skip_space(s);
	return s->p == s->end ? 0 : fail(s, "expected the end of the text");
}

int kev_json_scan(struct kev_json *json, struct kev_str text, struct kev_error *error)
{
	struct scan s = {.begin = text.data, .p = text.data, .json = json, .open = KEV_JSON_NONE};
	int r;

	json->count = 0;
	if (json->room > KEPT_ROOM) {
		free(json->tokens);
		json->tokens = NULL;
		json->room = 0;
	}
	if (text.len > KEV_JSON_TEXT_MAX) {
		kev_error_set(
			error, "a JSON text of %zu bytes: the limit is %u", text.len, KEV_JSON_TEXT_MAX);
		return -E2BIG;
	}
	if (text.len == 0) {
		kev_error_set(error, "an empty text is no JSON");
		return -EINVAL;
	}
	json->text = text;
	s.end = text.data + text.len;
	r = scan_text(&s);
	if (!r)
		return 0;
	json->count = 0;
	if (r == -ENOMEM)
		kev_error_set(error, "out of memory");
	else
		kev_error_set(error, "JSON, byte %td: %s", s.p - s.begin, s.wrong);
	return r;
}

const struct kev_json_token *kev_json_token(const struct kev_json *json, uint32_t index)
{
	return &json->tokens[index];
}

bool kev_json_is(const struct kev_json *json, uint32_t index, enum kev_json_type type)
{
	return index < json->count && json->tokens[index].type == type;
}

struct kev_str kev_json_raw(const struct kev_json *json, uint32_t index)
{
	const struct kev_json_token *token = &json->tokens[index];

	return (struct kev_str){json->text.data + token->start, token->len};
}

/* The four digits of the \u escape at p; -1 where there is none. */
static int32_t unicode_escape(struct kev_str s)
{
	int32_t value = 0;

	if (s.len < 6 || s.data[0] != '\\' || s.data[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = hex_value(s.data[i]);

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static size_t decode_unicode_escape(struct kev_str s, uint32_t *codepoint)
{
	int32_t high = unicode_escape(s), low;

	*codepoint = REPLACEMENT;
	if (high < 0)
		return 1; /* not in a text that was scanned */
	if (high < 0xd800 || high > 0xdfff) {
		*codepoint = (uint32_t)high;
		return 6;
	}
	/* Only a whole pair counts; what follows a lone surrogate is decoded for itself. */
	low = unicode_escape((struct kev_str){s.data + 6, s.len - 6});
	if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return 6;
	*codepoint = 0x10000U + (((uint32_t)high & 0x3ff) << 10 | ((uint32_t)low & 0x3ff));
	return 12;
}

size_t kev_json_decode_char(struct kev_str raw, uint32_t *codepoint)
{
	static const char escapes[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *escape;
	size_t len;

	if (*raw.data != '\\') {
		len = kev_text_decode_utf8(raw, codepoint);
		if (!len)
			*codepoint = REPLACEMENT;
		return len ? len : 1;
	}
	escape = raw.len > 1 && raw.data[1] ? strchr(escapes, raw.data[1]) : NULL;
	if (!escape)
		return decode_unicode_escape(raw, codepoint);
	*codepoint = (unsigned char)values[escape - escapes];
	return 2;
}

int kev_json_append_string(const struct kev_json *json, uint32_t index, struct kev_buf *out)
{
	struct kev_str raw;

	if (!kev_json_is(json, index, KEV_JSON_STRING))
		return out->error;
	raw = kev_json_raw(json, index);
	if (json->tokens[index].plain)
		return kev_buf_append_str(out, raw);
	while (raw.len > 0) {
		uint32_t codepoint;
		char utf8[4];
		size_t taken = kev_json_decode_char(raw, &codepoint);

		if (kev_buf_append(out, utf8, kev_text_encode_utf8(codepoint, utf8)))
			break;
		raw.data += taken;
		raw.len -= taken;
	}
	return out->error;
}

/* Compares while it decodes, so that no foreign key costs memory. */
static bool decoded_is(struct kev_str raw, struct kev_str value)
{
	while (raw.len > 0) {
		uint32_t codepoint;
		char utf8[4];
		size_t taken = kev_json_decode_char(raw, &codepoint);
		size_t len = kev_text_encode_utf8(codepoint, utf8);

		if (value.len < len || memcmp(value.data, utf8, len) != 0)
			return false;
		raw.data += taken;
		raw.len -= taken;
		value.data += len;
		value.len -= len;
	}
	return value.len == 0;
}

bool kev_json_string_is(const struct kev_json *json, uint32_t index, struct kev_str value)
{
	if (!kev_json_is(json, index, KEV_JSON_STRING))
		return false;
	if (json->tokens[index].plain)
		return kev_str_eq(kev_json_raw(json, index), value);
	return decoded_is(kev_json_raw(json, index), value);
}

void kev_json_get_many(
	const struct kev_json *json, uint32_t index, const struct kev_str *keys, size_t count, uint32_t *out)
{
	uint32_t key, value, left;

	for (size_t i = 0; i < count; i++)
		out[i] = KEV_JSON_NONE;
	if (!kev_json_is(json, index, KEV_JSON_OBJECT))
		return;
	key = index + 1;
	for (left = json->tokens[index].count; left > 0; left--) {
		const struct kev_json_token *token = &json->tokens[key];

		value = key + 1;
		for (size_t i = 0; i < count; i++) {
			/* The lengths tell nearly all keys apart. */
			if ((token->len == keys[i].len || !token->plain) &&
				kev_json_string_is(json, key, keys[i])) {
				out[i] = value;
				break;
			}
		}
		key = json->tokens[value].next;
	}
}

uint32_t kev_json_get(const struct kev_json *json, uint32_t index, const char *key)
{
	struct kev_str wanted = kev_str_c(key);
	uint32_t value;

	kev_json_get_many(json, index, &wanted, 1, &value);
	return value;
}
