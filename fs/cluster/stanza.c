#include "kevfs/cluster/stanza.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/cluster/pem.h"

enum field_type {
	FIELD_TEXT,       /* struct kev_str */
	FIELD_DATA,       /* struct kev_str, valid base64 */
	FIELD_FLAG,       /* bool */
	FIELD_MAPPING,    /* const struct kev_document_node *: there is one, empty or not */
	FIELD_TEXTS,      /* the same of a list whose items are text */
	FIELD_TEXT_LISTS, /* the same of a mapping whose values are lists of text */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
};

#define FIELD(struct_, member, name, type)                           \
	{                                                            \
		name, FIELD_##type, offsetof(struct struct_, member) \
	}

static const struct field cluster_fields[] = {
	FIELD(kev_stanza_cluster, server, "server", TEXT),
	FIELD(kev_stanza_cluster, tls_server_name, "tls-server-name", TEXT),
	FIELD(kev_stanza_cluster, proxy_url, "proxy-url", TEXT),
	FIELD(kev_stanza_cluster, ca_file, "certificate-authority", TEXT),
	FIELD(kev_stanza_cluster, ca_data, "certificate-authority-data", DATA),
	FIELD(kev_stanza_cluster, insecure, "insecure-skip-tls-verify", FLAG),
	FIELD(kev_stanza_cluster, disable_compression, "disable-compression", FLAG),
};

static const struct field user_fields[] = {
	FIELD(kev_stanza_user, cert_file, "client-certificate", TEXT),
	FIELD(kev_stanza_user, cert_data, "client-certificate-data", DATA),
	FIELD(kev_stanza_user, key_file, "client-key", TEXT),
	FIELD(kev_stanza_user, key_data, "client-key-data", DATA),
	FIELD(kev_stanza_user, token, "token", TEXT),
	FIELD(kev_stanza_user, token_file, "tokenFile", TEXT),
	FIELD(kev_stanza_user, username, "username", TEXT),
	FIELD(kev_stanza_user, password, "password", TEXT),
	FIELD(kev_stanza_user, exec, "exec", MAPPING),
	FIELD(kev_stanza_user, auth_provider, "auth-provider", MAPPING),
	FIELD(kev_stanza_user, as, "as", TEXT),
	FIELD(kev_stanza_user, as_uid, "as-uid", TEXT),
	FIELD(kev_stanza_user, as_groups, "as-groups", TEXTS),
	FIELD(kev_stanza_user, as_user_extra, "as-user-extra", TEXT_LISTS),
};

static const struct field context_fields[] = {
	FIELD(kev_stanza_context, cluster, "cluster", TEXT),
	FIELD(kev_stanza_context, user, "user", TEXT),
	FIELD(kev_stanza_context, namespace_, "namespace", TEXT),
};

/* "name", and the stanza itself under its kind. */
static const struct field item_fields[][2] = {
	{FIELD(kev_stanza, name, "name", TEXT), FIELD(kev_stanza, body, "cluster", MAPPING)},
	{FIELD(kev_stanza, name, "name", TEXT), FIELD(kev_stanza, body, "user", MAPPING)},
	{FIELD(kev_stanza, name, "name", TEXT), FIELD(kev_stanza, body, "context", MAPPING)},
};

struct head {
	struct kev_str kind, api_version, current_context;
};

static const struct field head_fields[] = {
	FIELD(head, kind, "kind", TEXT),
	FIELD(head, api_version, "apiVersion", TEXT),
	FIELD(head, current_context, "current-context", TEXT),
};

static const char *describe(enum kev_document_type type)
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

static enum kev_document_type type_of(enum field_type type)
{
	switch (type) {
	case FIELD_FLAG:
		return KEV_DOCUMENT_FLAG;
	case FIELD_TEXTS:
		return KEV_DOCUMENT_SEQUENCE;
	case FIELD_MAPPING:
	case FIELD_TEXT_LISTS:
		return KEV_DOCUMENT_MAPPING;
	case FIELD_TEXT:
	case FIELD_DATA:
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
	kev_error_set(error, "%s must be %s, not %s%s", what, describe(want), describe(is),
		quotes ? ": write it in quotes" : "");
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
static int check_inside(struct kev_document *document, const struct field *field,
	const struct kev_document_node *value, struct kev_error *error)
{
	char what[64];
	struct text_lists lists = {document, what, error};

	if (field->type == FIELD_TEXTS) {
		(void)snprintf(what, sizeof(what), "an item of %s", field->name);
		return check_texts(document, what, value, error);
	}
	if (field->type != FIELD_TEXT_LISTS)
		return 0;
	(void)snprintf(what, sizeof(what), "what %s holds", field->name);
	return kev_document_pairs(document, value, check_text_list, &lists, error);
}

static int check_base64(struct kev_document *document, const struct field *field, struct kev_str text,
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

static int read_field(struct kev_document *document, const struct field *field,
	const struct kev_document_node *value, void *out, struct kev_error *error)
{
	void *member = (char *)out + field->offset;
	int r;

	if (kev_document_type(value) == KEV_DOCUMENT_NULL)
		return 0;
	r = check_type(field->name, type_of(field->type), value, error);
	if (!r && field->type == FIELD_DATA)
		r = check_base64(document, field, kev_document_text(value), error);
	if (!r)
		r = check_inside(document, field, value, error);
	if (r)
		return r;
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_DATA:
		*(struct kev_str *)member = kev_document_text(value);
		break;
	case FIELD_FLAG:
		*(bool *)member = kev_document_flag(value);
		break;
	case FIELD_MAPPING:
	case FIELD_TEXTS:
	case FIELD_TEXT_LISTS:
		*(const struct kev_document_node **)member = value;
		break;
	}
	return 0;
}

/* Where an error stands: "PATH:LINE: user "bob": ". */
struct place {
	const struct kev_stanza_file *file;
	const char *kind;
	struct kev_str name;
};

/* After -ENOMEM there is no text to put it in front of. @return r */
static int put_place(int r, struct kev_error *error, const struct place *place, size_t line)
{
	if (r != -EINVAL)
		return r;
	if (place->kind)
		kev_error_prefix(error, "%s:%zu: %s \"%.*s\"", place->file->path, line, place->kind,
			(int)place->name.len, place->name.data ? place->name.data : "");
	else
		kev_error_prefix(error, "%s:%zu", place->file->path, line);
	return r;
}

/* out is a zeroed struct of what the fields describe. */
static int read_fields(const struct place *place, const struct kev_document_node *mapping,
	const struct field *fields, size_t count, void *out, struct kev_error *error)
{
	const struct kev_document_node *values[KEV_DOCUMENT_PICK_MAX] = {NULL};
	const char *names[KEV_DOCUMENT_PICK_MAX] = {NULL};
	struct kev_document *document = place->file->document;
	int r;

	for (size_t i = 0; i < count; i++)
		names[i] = fields[i].name;
	r = kev_document_pick(document, mapping, names, count, values, error);
	if (r)
		return put_place(r, error, place, kev_document_line(mapping));
	for (size_t i = 0; i < count; i++) {
		if (!values[i])
			continue;
		r = read_field(document, &fields[i], values[i], out, error);
		if (r)
			return put_place(r, error, place, kev_document_line(values[i]));
	}
	return 0;
}

static int read_stanza(const struct kev_stanza_file *file, const char *kind, const struct kev_stanza *stanza,
	const struct field *fields, size_t count, void *out, struct kev_error *error)
{
	const struct place place = {file, kind, stanza->name};

	return stanza->body ? read_fields(&place, stanza->body, fields, count, out, error) : 0;
}

int kev_stanza_read_cluster(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	struct kev_stanza_cluster *out, struct kev_error *error)
{
	struct kev_stanza_cluster cluster = {.insecure = false};
	int r = read_stanza(
		file, "cluster", stanza, cluster_fields, KEV_ARRAY_LEN(cluster_fields), &cluster, error);

	if (!r)
		*out = cluster;
	return r;
}

int kev_stanza_read_user(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	struct kev_stanza_user *out, struct kev_error *error)
{
	struct kev_stanza_user user = {.exec = NULL};
	int r = read_stanza(file, "user", stanza, user_fields, KEV_ARRAY_LEN(user_fields), &user, error);

	if (!r)
		*out = user;
	return r;
}

int kev_stanza_read_context(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	struct kev_stanza_context *out, struct kev_error *error)
{
	struct kev_stanza_context context = {.cluster = {NULL, 0}};
	int r = read_stanza(
		file, "context", stanza, context_fields, KEV_ARRAY_LEN(context_fields), &context, error);

	if (!r)
		*out = context;
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct kev_stanza *left = a, *right = b;
	int order = kev_str_cmp(left->name, right->name);

	return order ? order : (left->line > right->line) - (left->line < right->line);
}

enum kind { KIND_CLUSTER, KIND_USER, KIND_CONTEXT };

static const char *const list_names[] = {"clusters", "users", "contexts"};

static int read_item(const struct kev_stanza_file *file, enum kind kind, const struct kev_document_node *node,
	struct kev_stanza *out, struct kev_error *error)
{
	const struct place place = {.file = file};
	int r;

	out->line = kev_document_line(node);
	if (kev_document_type(node) == KEV_DOCUMENT_NULL)
		return 0;
	if (kev_document_type(node) != KEV_DOCUMENT_MAPPING) {
		kev_error_set(error, "%s:%zu: an item of %s must be a mapping, not %s", file->path, out->line,
			list_names[kind], describe(kev_document_type(node)));
		return -EINVAL;
	}
	r = read_fields(&place, node, item_fields[kind], KEV_ARRAY_LEN(item_fields[kind]), out, error);
	if (r)
		return r;
	/* The names are compared while they are sorted. */
	r = kev_document_charge(file->document, out->name.len, error);
	return put_place(r, error, &place, out->line);
}

/* Read a stanza for its errors only. */
static int check_stanza(const struct kev_stanza_file *file, enum kind kind, const struct kev_stanza *stanza,
	struct kev_error *error)
{
	struct kev_stanza_cluster cluster;
	struct kev_stanza_user user;
	struct kev_stanza_context context;

	switch (kind) {
	case KIND_CLUSTER:
		return kev_stanza_read_cluster(file, stanza, &cluster, error);
	case KIND_USER:
		return kev_stanza_read_user(file, stanza, &user, error);
	case KIND_CONTEXT:
		break;
	}
	return kev_stanza_read_context(file, stanza, &context, error);
}

static int check_unique(const struct kev_stanza_file *file, enum kind kind,
	const struct kev_stanza_list *list, struct kev_error *error)
{
	for (size_t i = 1; i < list->count; i++) {
		const struct kev_stanza *a = &list->items[i - 1], *b = &list->items[i];

		if (!kev_str_eq(a->name, b->name))
			continue;
		kev_error_set(error, "%s:%zu: %s has \"%.*s\" twice, also in line %zu", file->path, b->line,
			list_names[kind], (int)b->name.len, b->name.data ? b->name.data : "", a->line);
		return -EINVAL;
	}
	return 0;
}

static int read_list(const struct kev_stanza_file *file, enum kind kind,
	const struct kev_document_node *sequence, struct kev_stanza_list *list, struct kev_error *error)
{
	const struct kev_document_node *node;
	size_t count = 0;
	int r = 0;

	for (node = kev_document_first(sequence); node; node = kev_document_next(node))
		count++;
	if (count == 0)
		return 0;
	list->items = calloc(count, sizeof(*list->items));
	if (!list->items)
		return -ENOMEM;
	list->count = count;
	node = kev_document_first(sequence);
	for (size_t i = 0; i < count && !r; i++, node = kev_document_next(node)) {
		r = read_item(file, kind, node, &list->items[i], error);
		if (!r)
			r = check_stanza(file, kind, &list->items[i], error);
	}
	if (r)
		return r;
	qsort(list->items, count, sizeof(*list->items), compare);
	return check_unique(file, kind, list, error);
}

/* The lists, in a file whose document is set. */
static int read_lists(
	struct kev_stanza_file *file, const struct kev_document_node *root, struct kev_error *error)
{
	struct kev_stanza_list *lists[] = {&file->clusters, &file->users, &file->contexts};
	const struct kev_document_node *values[KEV_ARRAY_LEN(list_names)] = {NULL};
	int r = kev_document_pick(file->document, root, list_names, KEV_ARRAY_LEN(list_names), values, error);

	if (r)
		kev_error_prefix(error, "%s", file->path);
	for (size_t i = 0; i < KEV_ARRAY_LEN(list_names) && !r; i++) {
		if (!values[i] || kev_document_type(values[i]) == KEV_DOCUMENT_NULL)
			continue;
		if (kev_document_type(values[i]) != KEV_DOCUMENT_SEQUENCE) {
			kev_error_set(error, "%s:%zu: %s must be a list, not %s", file->path,
				kev_document_line(values[i]), list_names[i],
				describe(kev_document_type(values[i])));
			return -EINVAL;
		}
		r = read_list(file, (enum kind)i, values[i], lists[i], error);
	}
	return r;
}

static int read_head(const struct kev_stanza_file *file, const struct kev_document_node *root,
	struct head *out, struct kev_error *error)
{
	const struct place place = {.file = file};
	int r;

	if (kev_document_type(root) != KEV_DOCUMENT_MAPPING) {
		kev_error_set(error, "%s:%zu: not a kubeconfig: it is %s, not a mapping", file->path,
			kev_document_line(root), describe(kev_document_type(root)));
		return -EINVAL;
	}
	r = read_fields(&place, root, head_fields, KEV_ARRAY_LEN(head_fields), out, error);
	if (r)
		return r;
	if ((out->kind.len && !kev_str_eq(out->kind, KEV_STR("Config"))) ||
		(out->api_version.len && !kev_str_eq(out->api_version, KEV_STR("v1")))) {
		kev_error_set(error,
			"%s: not a kubeconfig: it says kind \"%.*s\", apiVersion \"%.*s\", not Config, v1",
			file->path, (int)out->kind.len, out->kind.data ? out->kind.data : "",
			(int)out->api_version.len, out->api_version.data ? out->api_version.data : "");
		return -EINVAL;
	}
	return 0;
}

int kev_stanza_file_read(const char *path, const char *directory, struct kev_document *document,
	struct kev_stanza_file *out, struct kev_error *error)
{
	const struct kev_document_node *root = kev_document_root(document);
	struct kev_stanza_file file = {.path = path, .directory = directory, .document = document};
	struct head head = {.kind = {NULL, 0}};
	int r = 0;

	/* Empty, or nothing but comments: as if it said nothing. */
	if (root && kev_document_type(root) != KEV_DOCUMENT_NULL) {
		r = read_head(&file, root, &head, error);
		if (!r)
			r = read_lists(&file, root, error);
	}
	if (r) {
		kev_stanza_file_fini(&file);
		return r;
	}
	file.current_context = head.current_context;
	*out = file;
	return 0;
}

void kev_stanza_file_fini(struct kev_stanza_file *file)
{
	free(file->clusters.items);
	free(file->users.items);
	free(file->contexts.items);
	*file = (struct kev_stanza_file){.path = NULL};
}

const struct kev_stanza *kev_stanza_find(const struct kev_stanza_list *list, struct kev_str name)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = kev_str_cmp(list->items[middle].name, name);

		if (order == 0)
			return &list->items[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
