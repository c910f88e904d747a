#include "kevfs/cluster/extension.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 10000
#define DEPTH_MAX 64
#define BYTES_MAX (256U << 10)
/* A number of a document is no longer. */
#define NUMBER_MAX 512

struct conversion {
	struct kev_document *document;
	struct kev_error *error;
	size_t values, bytes; /* so far */
	int depth;
};

struct mapping {
	struct conversion *conversion;
	json_t *object;
};

static int convert(struct conversion *c, const struct kev_document_node *node, json_t **out);

static int refuse(struct conversion *c, const char *what)
{
	kev_error_set(c->error, "%s", what);
	return -EINVAL;
}

/* @return whether it is an integer that fits */
static bool parse_integer(const char *digits, bool negative, json_int_t *out)
{
	static const struct {
		const char *prefix;
		int base;
	} forms[] = {{"0x", 16}, {"0X", 16}, {"0o", 8}, {"0O", 8}, {"0b", 2}, {"0B", 2}, {"0", 8}, {"", 10}};
	unsigned long long value;
	size_t i = 0;
	char *end;

	/* The last one fits always; and a zero alone is one. */
	while (strncmp(digits, forms[i].prefix, strlen(forms[i].prefix)) != 0 ||
		!digits[strlen(forms[i].prefix)]) {
		if (++i == KEV_ARRAY_LEN(forms))
			return false;
	}
	errno = 0;
	value = strtoull(digits + strlen(forms[i].prefix), &end, forms[i].base);
	if (*end || errno || value > (unsigned long long)INT64_MAX)
		return false;
	*out = negative ? -(json_int_t)value : (json_int_t)value;
	return true;
}

/* The document has found that it is one; what the parser takes as an integer is one here. */
static int convert_number(struct conversion *c, struct kev_str text, json_t **out)
{
	char digits[NUMBER_MAX + 1] = "";
	bool negative = text.len && text.data[0] == '-';
	json_int_t integer;
	size_t len = 0;
	double value;

	for (size_t i = negative || (text.len && text.data[0] == '+'); i < text.len && len < NUMBER_MAX;
		i++) {
		if (text.data[i] != '_')
			digits[len++] = text.data[i];
	}
	digits[len] = '\0';
	if (parse_integer(digits, negative, &integer)) {
		*out = json_integer(integer);
		return *out ? 0 : -ENOMEM;
	}
	/* No ".inf": JSON has none. */
	value = len > 1 && digits[0] == '.' && (digits[1] | 0x20) >= 'a' ? NAN : strtod(digits, NULL);
	if (!isfinite(value))
		return refuse(c, "a number that JSON does not have");
	*out = json_real(negative ? -value : value);
	return *out ? 0 : -ENOMEM;
}

static int convert_text(struct conversion *c, struct kev_str text, json_t **out)
{
	if (text.len > BYTES_MAX - c->bytes)
		return refuse(c, "it is too large");
	c->bytes += text.len;
	*out = json_stringn(text.data ? text.data : "", text.len);
	return *out ? 0 : -ENOMEM;
}

/* A key that stands there again overrides. */
static int convert_pair(
	void *context, const struct kev_document_node *key, const struct kev_document_node *value)
{
	const struct mapping *mapping = context;
	struct conversion *c = mapping->conversion;
	struct kev_str name = kev_document_text(key);
	json_t *json = NULL;
	char *copy;
	int r;

	if (kev_document_type(key) != KEV_DOCUMENT_TEXT || memchr(name.data, '\0', name.len))
		return refuse(c, "a key that is not text");
	if (name.len > BYTES_MAX - c->bytes)
		return refuse(c, "it is too large");
	c->bytes += name.len;
	r = convert(c, value, &json);
	if (r)
		return r;
	copy = kev_str_dup(name);
	if (!copy || json_object_set_new(mapping->object, copy, json) < 0)
		r = -ENOMEM;
	if (!copy)
		json_decref(json);
	free(copy);
	return r;
}

static int convert_mapping(struct conversion *c, const struct kev_document_node *node, json_t **out)
{
	struct mapping mapping = {c, json_object()};
	int r = mapping.object ? kev_document_pairs(c->document, node, convert_pair, &mapping, c->error)
			       : -ENOMEM;

	if (r)
		json_decref(mapping.object);
	else
		*out = mapping.object;
	return r;
}

static int convert_sequence(struct conversion *c, const struct kev_document_node *node, json_t **out)
{
	const struct kev_document_node *item = kev_document_first(node);
	json_t *array = json_array();
	int r = array ? 0 : -ENOMEM;

	for (; item && !r; item = kev_document_next(item)) {
		json_t *json = NULL;

		r = convert(c, item, &json);
		if (!r && json_array_append_new(array, json) < 0)
			r = -ENOMEM;
	}
	if (r)
		json_decref(array);
	else
		*out = array;
	return r;
}

static int convert_by_type(struct conversion *c, const struct kev_document_node *node, json_t **out)
{
	switch (kev_document_type(node)) {
	case KEV_DOCUMENT_NULL:
		*out = json_null();
		return 0;
	case KEV_DOCUMENT_FLAG:
		*out = json_boolean(kev_document_flag(node));
		return 0;
	case KEV_DOCUMENT_NUMBER:
		return convert_number(c, kev_document_text(node), out);
	case KEV_DOCUMENT_TEXT:
		return convert_text(c, kev_document_text(node), out);
	case KEV_DOCUMENT_SEQUENCE:
		return convert_sequence(c, node, out);
	case KEV_DOCUMENT_MAPPING:
		return convert_mapping(c, node, out);
	case KEV_DOCUMENT_BROKEN:
		break;
	}
	return refuse(c, "a value with a tag that is not supported here");
}

static int convert(struct conversion *c, const struct kev_document_node *node, json_t **out)
{
	int r;

	if (++c->values > VALUES_MAX)
		return refuse(c, "it holds too many values");
	if (c->depth == DEPTH_MAX)
		return refuse(c, "it is nested too deeply");
	c->depth++;
	r = convert_by_type(c, node, out);
	c->depth--;
	return r;
}

int kev_extension_json(struct kev_document *document, const struct kev_document_node *node, json_t **out,
	struct kev_error *error)
{
	struct conversion conversion = {.document = document, .error = error};
	json_t *json = NULL;
	int r = convert(&conversion, node, &json);

	if (!r)
		*out = json;
	return r;
}
