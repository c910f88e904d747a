#include "kevfs/cluster/field.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/cluster/pem.h"

const char *kev_field_describe(enum kev_document_type type)
{
	switch (type) {
	case KEV_DOCUMENT_NULL:
		return "null";
	case KEV_DOCUMENT_FLAG:
		return "a boolean";
	case KEV_DOCUMENT_NUMBER:
		return "a number";
	case KEV_DOCUMENT_TEXT:
		return "text";
	case KEV_DOCUMENT_SEQUENCE:
		return "a list";
	case KEV_DOCUMENT_MAPPING:
		return "a mapping";
	case KEV_DOCUMENT_BROKEN:
		break;
	}
	return "a value with a tag that is not supported here";
}

static enum kev_document_type type_of(enum kev_field_type type)
{
	switch (type) {
	case KEV_FIELD_FLAG:
		return KEV_DOCUMENT_FLAG;
	case KEV_FIELD_LIST:
	case KEV_FIELD_TEXTS:
		return KEV_DOCUMENT_SEQUENCE;
	case KEV_FIELD_MAPPING:
	case KEV_FIELD_TEXT_LISTS:
		return KEV_DOCUMENT_MAPPING;
	case KEV_FIELD_ANY:
	case KEV_FIELD_TEXT:
	case KEV_FIELD_DATA:
		break;
	}
	return KEV_DOCUMENT_TEXT;
}

/* The type only, never the value: it may be a secret. */
static int check_type(const char *what, enum kev_document_type want, const struct kev_document_node *value,
	struct kev_error *error)
{
	enum kev_document_type is = kev_document_type(value);
	bool quotes = want == KEV_DOCUMENT_TEXT && (is == KEV_DOCUMENT_FLAG || is == KEV_DOCUMENT_NUMBER);

	if (is == want)
		return 0;
	kev_error_set(error, "%s must be %s, not %s%s", what, kev_field_describe(want),
		kev_field_describe(is), quotes ? ": write it in quotes" : "");
	return -EINVAL;
}

/* A null in a list is empty text, as for client-go. */
static int check_texts(struct kev_document *document, const char *what,
	const struct kev_document_node *sequence, struct kev_error *error)
{
	const struct kev_document_node *item;
	int r = 0;

	for (item = kev_document_first(sequence); item && !r; item = kev_document_next(item)) {
		r = kev_document_charge(document, 1, error);
		if (!r && kev_document_type(item) != KEV_DOCUMENT_NULL)
			r = check_type(what, KEV_DOCUMENT_TEXT, item, error);
	}
	return r;
}

struct text_lists {
	struct kev_document *document;
	const char *name;
	struct kev_error *error;
};

static int check_text_list(
	void *context, const struct kev_document_node *key, const struct kev_document_node *value)
{
	const struct text_lists *lists = context;
	int r = check_type(lists->name, KEV_DOCUMENT_TEXT, key, lists->error);

	if (r || kev_document_type(value) == KEV_DOCUMENT_NULL)
		return r;
	r = check_type(lists->name, KEV_DOCUMENT_SEQUENCE, value, lists->error);
	return r ? r : check_texts(lists->document, lists->name, value, lists->error);
}

/* What is inside a value of the right type. */
static int check_inside(struct kev_document *document, const struct kev_field *field,
	const struct kev_document_node *value, struct kev_error *error)
{
	char what[64];
	struct text_lists lists = {document, what, error};

	if (field->type == KEV_FIELD_TEXTS) {
		(void)snprintf(what, sizeof(what), "an item of %s", field->name);
		return check_texts(document, what, value, error);
	}
	if (field->type != KEV_FIELD_TEXT_LISTS)
		return 0;
	(void)snprintf(what, sizeof(what), "what %s holds", field->name);
	return kev_document_pairs(document, value, check_text_list, &lists, error);
}

static int check_base64(struct kev_document *document, const struct kev_field *field, struct kev_str text,
	struct kev_error *error)
{
	size_t len;
	char *data;
	int r = kev_document_charge(document, text.len, error);

	if (r)
		return r;
	r = kev_pem_decode_base64(text, &data, &len);
	if (r == -EINVAL)
		kev_error_set(error, "%s is not valid base64", field->name);
	if (r)
		return r;
	explicit_bzero(data, len);
	free(data);
	return 0;
}

static int read_field(struct kev_document *document, const struct kev_field *field,
	const struct kev_document_node *value, void *out, struct kev_error *error)
{
	void *member = (char *)out + field->offset;
	int r = 0;

	if (kev_document_type(value) == KEV_DOCUMENT_NULL)
		return 0;
	if (field->type != KEV_FIELD_ANY)
		r = check_type(field->name, type_of(field->type), value, error);
	if (!r && field->type == KEV_FIELD_DATA)
		r = check_base64(document, field, kev_document_text(value), error);
	if (!r)
		r = check_inside(document, field, value, error);
	if (r)
		return r;
	switch (field->type) {
	case KEV_FIELD_TEXT:
	case KEV_FIELD_DATA:
		*(struct kev_str *)member = kev_document_text(value);
		break;
	case KEV_FIELD_FLAG:
		*(bool *)member = kev_document_flag(value);
		break;
	case KEV_FIELD_MAPPING:
	case KEV_FIELD_ANY:
	case KEV_FIELD_LIST:
	case KEV_FIELD_TEXTS:
	case KEV_FIELD_TEXT_LISTS:
		*(const struct kev_document_node **)member = value;
		break;
	}
	return 0;
}

int kev_field_explain(int r, struct kev_error *error, const struct kev_field_place *place, size_t line)
{
	if (r != -EINVAL)
		return r;
	if (place->part)
		kev_error_prefix(error, "%s", place->part);
	if (place->kind)
		kev_error_prefix(error, "%s:%zu: %s \"%.*s\"", place->path, line, place->kind,
			(int)place->name.len, place->name.data ? place->name.data : "");
	else
		kev_error_prefix(error, "%s:%zu", place->path, line);
	return r;
}

int kev_field_read(const struct kev_field_place *place, const struct kev_document_node *mapping,
	const struct kev_field *fields, size_t count, void *out, struct kev_error *error)
{
	const struct kev_document_node *values[KEV_DOCUMENT_PICK_MAX] = {NULL};
	const char *names[KEV_DOCUMENT_PICK_MAX] = {NULL};
	struct kev_document *document = place->document;
	int r;

	for (size_t i = 0; i < count; i++)
		names[i] = fields[i].name;
	r = kev_document_pick(document, mapping, names, count, values, error);
	if (r)
		return kev_field_explain(r, error, place, kev_document_line(mapping));
	for (size_t i = 0; i < count; i++) {
		if (!values[i])
			continue;
		r = read_field(document, &fields[i], values[i], out, error);
		if (r)
			return kev_field_explain(r, error, place, kev_document_line(values[i]));
	}
	return 0;
}

int kev_field_read_item(const struct kev_field_place *place, const struct kev_document_node *item,
	const struct kev_field *fields, size_t count, void *out, struct kev_error *error)
{
	char what[64];
	int r;

	if (kev_document_type(item) == KEV_DOCUMENT_NULL)
		return 0;
	(void)snprintf(what, sizeof(what), "an item of %s", place->part);
	r = check_type(what, KEV_DOCUMENT_MAPPING, item, error);
	if (r) {
		const struct kev_field_place whole = {
			.path = place->path, .kind = place->kind, .name = place->name};

		return kev_field_explain(r, error, &whole, kev_document_line(item));
	}
	return kev_field_read(place, item, fields, count, out, error);
}
