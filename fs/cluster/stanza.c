#include "kevfs/cluster/stanza.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/cluster/field.h"

static const struct kev_field cluster_fields[] = {
	KEV_FIELD(kev_stanza_cluster, server, "server", TEXT),
	KEV_FIELD(kev_stanza_cluster, tls_server_name, "tls-server-name", TEXT),
	KEV_FIELD(kev_stanza_cluster, proxy_url, "proxy-url", TEXT),
	KEV_FIELD(kev_stanza_cluster, ca_file, "certificate-authority", TEXT),
	KEV_FIELD(kev_stanza_cluster, ca_data, "certificate-authority-data", DATA),
	KEV_FIELD(kev_stanza_cluster, insecure, "insecure-skip-tls-verify", FLAG),
	KEV_FIELD(kev_stanza_cluster, disable_compression, "disable-compression", FLAG),
	/* The list at first, then what it says of plugins. */
	KEV_FIELD(kev_stanza_cluster, plugin_config, "extensions", LIST),
};

struct extension {
	struct kev_str name;
	const struct kev_document_node *value;
};

static const struct kev_field extension_fields[] = {
	KEV_FIELD(extension, name, "name", TEXT),
	KEV_FIELD(extension, value, "extension", ANY),
};

static const struct kev_field user_fields[] = {
	KEV_FIELD(kev_stanza_user, cert_file, "client-certificate", TEXT),
	KEV_FIELD(kev_stanza_user, cert_data, "client-certificate-data", DATA),
	KEV_FIELD(kev_stanza_user, key_file, "client-key", TEXT),
	KEV_FIELD(kev_stanza_user, key_data, "client-key-data", DATA),
	KEV_FIELD(kev_stanza_user, token, "token", TEXT),
	KEV_FIELD(kev_stanza_user, token_file, "tokenFile", TEXT),
	KEV_FIELD(kev_stanza_user, username, "username", TEXT),
	KEV_FIELD(kev_stanza_user, password, "password", TEXT),
	KEV_FIELD(kev_stanza_user, exec, "exec", MAPPING),
	KEV_FIELD(kev_stanza_user, auth_provider, "auth-provider", MAPPING),
	KEV_FIELD(kev_stanza_user, as, "as", TEXT),
	KEV_FIELD(kev_stanza_user, as_uid, "as-uid", TEXT),
	KEV_FIELD(kev_stanza_user, as_groups, "as-groups", TEXTS),
	KEV_FIELD(kev_stanza_user, as_user_extra, "as-user-extra", TEXT_LISTS),
};

static const struct kev_field exec_fields[] = {
	KEV_FIELD(kev_stanza_exec, command, "command", TEXT),
	KEV_FIELD(kev_stanza_exec, args, "args", TEXTS),
	KEV_FIELD(kev_stanza_exec, env, "env", LIST),
	KEV_FIELD(kev_stanza_exec, api_version, "apiVersion", TEXT),
	KEV_FIELD(kev_stanza_exec, install_hint, "installHint", TEXT),
	KEV_FIELD(kev_stanza_exec, provide_cluster_info, "provideClusterInfo", FLAG),
	KEV_FIELD(kev_stanza_exec, interactive_mode, "interactiveMode", TEXT),
};

static const struct kev_field variable_fields[] = {
	KEV_FIELD(kev_stanza_variable, name, "name", TEXT),
	KEV_FIELD(kev_stanza_variable, value, "value", TEXT),
};

static const struct kev_field context_fields[] = {
	KEV_FIELD(kev_stanza_context, cluster, "cluster", TEXT),
	KEV_FIELD(kev_stanza_context, user, "user", TEXT),
	KEV_FIELD(kev_stanza_context, namespace_, "namespace", TEXT),
};

/* "name", and the stanza itself under its kind. */
static const struct kev_field item_fields[][2] = {
	{KEV_FIELD(kev_stanza, name, "name", TEXT), KEV_FIELD(kev_stanza, body, "cluster", MAPPING)},
	{KEV_FIELD(kev_stanza, name, "name", TEXT), KEV_FIELD(kev_stanza, body, "user", MAPPING)},
	{KEV_FIELD(kev_stanza, name, "name", TEXT), KEV_FIELD(kev_stanza, body, "context", MAPPING)},
};

struct head {
	struct kev_str kind, api_version, current_context;
};

static const struct kev_field head_fields[] = {
	KEV_FIELD(head, kind, "kind", TEXT),
	KEV_FIELD(head, api_version, "apiVersion", TEXT),
	KEV_FIELD(head, current_context, "current-context", TEXT),
};

static struct kev_field_place place_of(const struct kev_stanza_file *file, const char *kind,
	const struct kev_stanza *stanza, const char *part)
{
	return (struct kev_field_place){file->document, file->path, kind, stanza->name, part};
}

static int read_stanza(const struct kev_stanza_file *file, const char *kind, const struct kev_stanza *stanza,
	const struct kev_field *fields, size_t count, void *out, struct kev_error *error)
{
	const struct kev_field_place place = place_of(file, kind, stanza, NULL);

	return stanza->body ? kev_field_read(&place, stanza->body, fields, count, out, error) : 0;
}

/* The reserved name of the extension that is handed to plugins; a name stands there once. */
static int find_plugin_config(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	struct kev_stanza_cluster *cluster, struct kev_error *error)
{
	const struct kev_field_place place = place_of(file, "cluster", stanza, "extensions");
	const struct kev_document_node *list = cluster->plugin_config, *found = NULL;
	const struct kev_document_node *item = list ? kev_document_first(list) : NULL;
	bool there = false;
	int r = 0;

	for (; item && !r; item = kev_document_next(item)) {
		struct extension extension = {.value = NULL};

		r = kev_field_read_item(
			&place, item, extension_fields, KEV_ARRAY_LEN(extension_fields), &extension, error);
		if (r || !kev_str_eq(extension.name, KEV_STR("client.authentication.k8s.io/exec")))
			continue;
		if (there) {
			kev_error_set(error, "\"%.*s\" stands there twice", (int)extension.name.len,
				extension.name.data);
			r = kev_field_explain(-EINVAL, error, &place, kev_document_line(item));
		}
		there = true;
		found = extension.value;
	}
	cluster->plugin_config = found;
	return r;
}

int kev_stanza_read_cluster(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	struct kev_stanza_cluster *out, struct kev_error *error)
{
	struct kev_stanza_cluster cluster = {.insecure = false};
	int r = read_stanza(
		file, "cluster", stanza, cluster_fields, KEV_ARRAY_LEN(cluster_fields), &cluster, error);

	if (!r)
		r = find_plugin_config(file, stanza, &cluster, error);
	if (!r)
		*out = cluster;
	return r;
}

int kev_stanza_read_exec(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	const struct kev_document_node *exec, struct kev_stanza_exec *out, struct kev_error *error)
{
	const struct kev_field_place place = place_of(file, "user", stanza, "exec");
	struct kev_stanza_exec read = {.args = NULL};
	int r = kev_field_read(&place, exec, exec_fields, KEV_ARRAY_LEN(exec_fields), &read, error);

	if (!r)
		*out = read;
	return r;
}

int kev_stanza_read_variable(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	const struct kev_document_node *item, struct kev_stanza_variable *out, struct kev_error *error)
{
	const struct kev_field_place place = place_of(file, "user", stanza, "exec: env");
	struct kev_stanza_variable variable = {.name = {NULL, 0}};
	int r = kev_field_read_item(
		&place, item, variable_fields, KEV_ARRAY_LEN(variable_fields), &variable, error);

	if (!r)
		*out = variable;
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
	const struct kev_field_place place = {.document = file->document, .path = file->path};
	int r;

	out->line = kev_document_line(node);
	if (kev_document_type(node) == KEV_DOCUMENT_NULL)
		return 0;
	if (kev_document_type(node) != KEV_DOCUMENT_MAPPING) {
		kev_error_set(error, "%s:%zu: an item of %s must be a mapping, not %s", file->path, out->line,
			list_names[kind], kev_field_describe(kev_document_type(node)));
		return -EINVAL;
	}
	r = kev_field_read(&place, node, item_fields[kind], KEV_ARRAY_LEN(item_fields[kind]), out, error);
	if (r)
		return r;
	/* The names are compared while they are sorted. */
	r = kev_document_charge(file->document, out->name.len, error);
	return kev_field_explain(r, error, &place, out->line);
}

/* Read what a user's plugin is for its errors only. */
static int check_exec(const struct kev_stanza_file *file, const struct kev_stanza *stanza,
	const struct kev_document_node *node, struct kev_error *error)
{
	const struct kev_document_node *item;
	struct kev_stanza_variable variable;
	struct kev_stanza_exec exec;
	int r = node ? kev_stanza_read_exec(file, stanza, node, &exec, error) : 0;

	if (r || !node || !exec.env)
		return r;
	for (item = kev_document_first(exec.env); item && !r; item = kev_document_next(item))
		r = kev_stanza_read_variable(file, stanza, item, &variable, error);
	return r;
}

/* Read a stanza for its errors only. */
static int check_stanza(const struct kev_stanza_file *file, enum kind kind, const struct kev_stanza *stanza,
	struct kev_error *error)
{
	struct kev_stanza_cluster cluster;
	struct kev_stanza_user user;
	struct kev_stanza_context context;
	int r;

	switch (kind) {
	case KIND_CLUSTER:
		return kev_stanza_read_cluster(file, stanza, &cluster, error);
	case KIND_USER:
		r = kev_stanza_read_user(file, stanza, &user, error);
		return r ? r : check_exec(file, stanza, user.exec, error);
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
				kev_field_describe(kev_document_type(values[i])));
			return -EINVAL;
		}
		r = read_list(file, (enum kind)i, values[i], lists[i], error);
	}
	return r;
}

static int read_head(const struct kev_stanza_file *file, const struct kev_document_node *root,
	struct head *out, struct kev_error *error)
{
	const struct kev_field_place place = {.document = file->document, .path = file->path};
	int r;

	if (kev_document_type(root) != KEV_DOCUMENT_MAPPING) {
		kev_error_set(error, "%s:%zu: not a kubeconfig: it is %s, not a mapping", file->path,
			kev_document_line(root), kev_field_describe(kev_document_type(root)));
		return -EINVAL;
	}
	r = kev_field_read(&place, root, head_fields, KEV_ARRAY_LEN(head_fields), out, error);
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
