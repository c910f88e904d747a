#ifndef KEVFS_TESTS_UNIT_EVENT_ORACLE_H
#define KEVFS_TESTS_UNIT_EVENT_ORACLE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/text.h"
#include "kevfs/event/json.h"
#include "kevfs/event/number.h"

/*
 * jansson as the scanner's oracle, for the unit test and the fuzz target. Of every text:
 * - what jansson loads the scanner takes, with the same values (but for a raw NUL behind a number, which
 * jansson 2.14 loses: its one byte of look-ahead cannot hold one);
 * - what only the scanner takes holds one of the few things that jansson is known to refuse.
 * The functions return NULL, or say what is wrong.
 */

static inline const char *oracle_same_value(const struct kev_json *json, uint32_t index, const json_t *value);

static inline struct kev_str oracle_string(const struct kev_json *json, uint32_t index, struct kev_buf *buf)
{
	kev_buf_init(buf, 64U << 20);
	if (kev_json_append_string(json, index, buf))
		abort();
	return kev_buf_str(buf);
}

static inline const char *oracle_same_string(
	const struct kev_json *json, uint32_t index, struct kev_str other)
{
	struct kev_buf buf;
	bool same = kev_str_eq(oracle_string(json, index, &buf), other);

	kev_buf_fini(&buf);
	if (!same)
		return "another string";
	return kev_json_string_is(json, index, other) ? NULL : "a string that is not itself";
}

static inline const char *oracle_same_number(const struct kev_json *json, uint32_t index, const json_t *value)
{
	char text[1024];
	struct kev_str raw = kev_json_raw(json, index);

	if (raw.len >= sizeof(text))
		return NULL;
	memcpy(text, raw.data, raw.len);
	text[raw.len] = '\0';
	if (json_is_integer(value))
		return strtoll(text, NULL, 10) == json_integer_value(value) ? NULL : "another integer";
	return strtod(text, NULL) == json_real_value(value) ? NULL : "another real";
}

/* Is this the last of the object's members with its key? Only that one counts. */
static inline bool oracle_is_last(const struct kev_json *json, uint32_t object, uint32_t key)
{
	struct kev_buf buf;
	struct kev_str wanted = oracle_string(json, key, &buf);
	uint32_t value;

	kev_json_get_many(json, object, &wanted, 1, &value);
	kev_buf_fini(&buf);
	return value == key + 1;
}

static inline const char *oracle_same_object(const struct kev_json *json, uint32_t index, const json_t *value)
{
	uint32_t key = index + 1, count = kev_json_token(json, index)->count;
	const char *wrong = NULL;
	size_t kept = 0;

	for (uint32_t i = 0; i < count && !wrong; i++) {
		if (oracle_is_last(json, index, key)) {
			struct kev_buf buf;
			struct kev_str name = oracle_string(json, key, &buf);
			const json_t *member = json_object_get(value, kev_buf_cstr(&buf));

			/* jansson refuses keys with a NUL, so a C string is the whole key. */
			wrong = strlen(kev_buf_cstr(&buf)) != name.len ? "a key with a NUL"
				: !member                              ? "another key"
					  : oracle_same_value(json, key + 1, member);
			kev_buf_fini(&buf);
			kept++;
		}
		key = kev_json_token(json, key + 1)->next;
	}
	if (!wrong && key != kev_json_token(json, index)->next)
		wrong = "an object that ends elsewhere than its members";
	return wrong ? wrong : kept == json_object_size(value) ? NULL : "another number of members";
}

static inline const char *oracle_same_array(const struct kev_json *json, uint32_t index, const json_t *value)
{
	uint32_t element = index + 1, count = kev_json_token(json, index)->count;
	const char *wrong = NULL;

	if (count != json_array_size(value))
		return "another number of elements";
	for (uint32_t i = 0; i < count && !wrong; i++) {
		wrong = oracle_same_value(json, element, json_array_get(value, i));
		element = kev_json_token(json, element)->next;
	}
	if (!wrong && element != kev_json_token(json, index)->next)
		wrong = "an array that ends elsewhere than its elements";
	return wrong;
}

static inline const char *oracle_same_value(const struct kev_json *json, uint32_t index, const json_t *value)
{
	static const char other[] = "another type";

	switch ((enum kev_json_type)kev_json_token(json, index)->type) {
	case KEV_JSON_OBJECT:
		return json_is_object(value) ? oracle_same_object(json, index, value) : other;
	case KEV_JSON_ARRAY:
		return json_is_array(value) ? oracle_same_array(json, index, value) : other;
	case KEV_JSON_STRING:
		return json_is_string(value) ? oracle_same_string(json, index,
						       (struct kev_str){json_string_value(value),
							       json_string_length(value)})
					     : other;
	case KEV_JSON_NUMBER:
		return json_is_number(value) ? oracle_same_number(json, index, value) : other;
	case KEV_JSON_TRUE:
		return json_is_true(value) ? NULL : other;
	case KEV_JSON_FALSE:
		return json_is_false(value) ? NULL : other;
	case KEV_JSON_NULL:
		return json_is_null(value) ? NULL : other;
	}
	return other;
}

/* Does jansson refuse this token for what Go takes? Bad UTF-8 and lone surrogates decode to U+FFFD; a NUL in
 * a key; integers over int64; reals over double. */
static inline bool oracle_refuses(const struct kev_json *json, uint32_t index)
{
	const struct kev_json_token *token = kev_json_token(json, index);
	struct kev_buf buf;
	struct kev_str text;
	bool refuses = false;

	if (token->type == KEV_JSON_STRING && !token->plain) {
		text = oracle_string(json, index, &buf);
		refuses = memmem(text.data, text.len, "\xef\xbf\xbd", 3) || memchr(text.data, '\0', text.len);
		kev_buf_fini(&buf);
	} else if (token->type == KEV_JSON_NUMBER) {
		text = kev_json_raw(json, index);
		kev_buf_init(&buf, 100);
		refuses = kev_number_append(&buf, text) == -EINVAL ||
			  (text.len >= 19 && !memchr(text.data, '.', text.len) &&
				  !memchr(text.data, 'e', text.len) && !memchr(text.data, 'E', text.len));
		kev_buf_fini(&buf);
	}
	return refuses;
}

/* Compare one text. @param json  a scanner; holds the text's tokens afterwards, if it is valid */
static inline const char *oracle_compare(struct kev_json *json, struct kev_str text)
{
	int r = kev_json_scan(json, text, NULL);
	json_error_t error;
	json_t *root =
		json_loadb(text.data ? text.data : "", text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	const char *wrong = NULL;

	if (root && r == 0)
		wrong = oracle_same_value(json, 0, root);
	else if (root)
		wrong = r == -E2BIG || (text.len && memchr(text.data, '\0', text.len))
				? NULL
				: "jansson takes what the scanner refuses";
	else if (r == 0)
		wrong = "the scanner takes what jansson refuses";
	if (!root && r == 0) {
		for (uint32_t i = 0; i < kev_json_token(json, 0)->next && wrong; i++)
			wrong = oracle_refuses(json, i) ? NULL : wrong;
	}
	json_decref(root);
	return wrong;
}

#endif
