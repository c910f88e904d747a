#include "kevfs/cluster/kubeconfig.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <yaml.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/context.h"
#include "kevfs/cluster/document.h"
#include "kevfs/cluster/file.h"
#include "kevfs/cluster/service_account.h"
#include "kevfs/cluster/stanza.h"
#include "kevfs/cluster/url.h"

#define FILE_MAX (4U << 20)
/* Of the KUBECONFIG list. */
#define FILES_MAX 64
/* Of %TAG directives; nobody writes one. */
#define TAGS_MAX 64
/* Of the contexts that an error names. */
#define NAMES_BYTES_MAX 500
#define NAME_BYTES_MAX 64

/* One kubeconfig file. */
struct source {
	char *path;      /* as it was given */
	char *directory; /* absolute: what relative paths in it start from */
	struct kev_document *document;
	struct kev_stanza_file file;
};

/* All of them, the first with the highest precedence. */
struct sources {
	char *label; /* for messages: what was looked for */
	struct source *items;
	size_t count;
};

static void fini_source(struct source *source)
{
	kev_stanza_file_fini(&source->file);
	kev_document_destroy(source->document);
	free(source->directory);
	free(source->path);
}

static void fini_sources(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		fini_source(&sources->items[i]);
	free(sources->items);
	free(sources->label);
}

/* From libyaml to a document. */

static struct kev_str str_of(const yaml_char_t *text)
{
	return kev_str_c((const char *)text);
}

static int add_event(struct kev_document *document, const yaml_event_t *event, struct kev_error *error)
{
	size_t line = event->start_mark.line + 1;
	struct kev_document_scalar scalar;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return kev_document_add_alias(document, str_of(event->data.alias.anchor), line, error);
	case YAML_SCALAR_EVENT:
		scalar.text.data = (const char *)event->data.scalar.value;
		scalar.text.len = event->data.scalar.length;
		scalar.tag = str_of(event->data.scalar.tag);
		scalar.plain = event->data.scalar.plain_implicit;
		return kev_document_add_scalar(
			document, &scalar, str_of(event->data.scalar.anchor), line, error);
	case YAML_SEQUENCE_START_EVENT:
		return kev_document_begin(document, KEV_DOCUMENT_SEQUENCE,
			str_of(event->data.sequence_start.anchor), line, error);
	case YAML_MAPPING_START_EVENT:
		return kev_document_begin(document, KEV_DOCUMENT_MAPPING,
			str_of(event->data.mapping_start.anchor), line, error);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		kev_document_end(document);
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

/* libyaml's own texts are constants: they show nothing of the file. */
static int explain(
	const yaml_parser_t *parser, const char *path, struct kev_str text, struct kev_error *error)
{
	size_t line = parser->problem_mark.line + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR) {
		/* It knows the byte only. */
		line = 1;
		for (size_t i = 0; i < parser->problem_offset && i < text.len; i++)
			line += text.data[i] == '\n';
	}
	kev_error_set(error, "%s:%zu: not valid YAML: %s%s%s", path, line,
		parser->problem ? parser->problem : "", parser->context ? " " : "",
		parser->context ? parser->context : "");
	return -EINVAL;
}

static int add_events(yaml_parser_t *parser, const char *path, struct kev_str text,
	struct kev_document *document, struct kev_error *error)
{
	yaml_event_type_t type;
	int r;

	/* As kubectl, only the first document. */
	do {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return explain(parser, path, text, error);
		type = event.type;
		r = add_event(document, &event, error);
		if (r == -EINVAL)
			kev_error_prefix(error, "%s:%zu", path, event.start_mark.line + 1);
		if (type == YAML_SCALAR_EVENT)
			explicit_bzero(event.data.scalar.value, event.data.scalar.length);
		yaml_event_delete(&event);
	} while (!r && type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT);
	return r;
}

static bool holds_many(struct kev_str text, const char *what, size_t len)
{
	const char *at = text.data, *end = text.data + text.len;
	int count = 0;

	while (at < end && (at = memmem(at, (size_t)(end - at), what, len))) {
		at += len;
		if (++count > TAGS_MAX)
			return true;
	}
	return false;
}

static int parse(
	const char *path, struct kev_str text, struct kev_document *document, struct kev_error *error)
{
	yaml_parser_t parser;
	int r;

	/* libyaml compares each %TAG with all before it: minutes, for a hostile file. In UTF-16 too. */
	if (holds_many(text, "%TAG", 4) || holds_many(text, "%\0T\0A\0G", 7)) {
		kev_error_set(error, "%s: more than %d %%TAG directives", path, TAGS_MAX);
		return -EINVAL;
	}
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)(text.data ? text.data : ""), text.len);
	r = add_events(&parser, path, text, document, error);
	/* Its two windows on the text. What it copied while a scalar grew is out of reach. */
	explicit_bzero(parser.raw_buffer.start, (size_t)(parser.raw_buffer.end - parser.raw_buffer.start));
	explicit_bzero(parser.buffer.start, (size_t)(parser.buffer.end - parser.buffer.start));
	yaml_parser_delete(&parser);
	return r;
}

/* Files. */

static int fail_file(const char *path, int r, struct kev_error *error)
{
	if (r == -ENOMEM)
		return r;
	if (r == -EFBIG)
		kev_error_set(error, "%s: larger than %u MiB", path, FILE_MAX >> 20);
	else
		kev_error_set(error, "kubeconfig %s: %s", path, strerror(-r));
	if (r == -EPERM)
		return -EACCES;
	return r == -ENOENT || r == -EACCES || r == -EIO ? r : -EINVAL;
}

static int read_source(const char *path, struct kev_str text, struct source *source, struct kev_error *error)
{
	int r;

	source->path = strdup(path);
	source->document = kev_document_create();
	if (!source->path || !source->document)
		return -ENOMEM;
	r = kev_file_directory(path, &source->directory);
	if (r)
		return fail_file(path, r, error);
	r = parse(path, text, source->document, error);
	if (r)
		return r;
	return kev_stanza_file_read(source->path, source->directory, source->document, &source->file, error);
}

static int add_source(struct sources *sources, const char *path, bool required, struct kev_error *error)
{
	struct source source = {.path = NULL};
	struct source *items;
	struct kev_buf text;
	int r;

	kev_buf_init(&text, FILE_MAX);
	r = kev_file_read(path, KEV_FILE_ANY, &text);
	if (r == -ENOENT && !required)
		return 0;
	if (r)
		return fail_file(path, r, error);
	r = read_source(path, kev_buf_str(&text), &source, error);
	kev_buf_wipe(&text);
	items = r ? NULL : realloc(sources->items, (sources->count + 1) * sizeof(*items));
	if (!items) {
		fini_source(&source);
		return r ? r : -ENOMEM;
	}
	sources->items = items;
	items[sources->count++] = source;
	return 0;
}

/* Whether the KUBECONFIG list has this element before at. */
static bool is_repeated(const char *list, const char *at, size_t len)
{
	while (list < at) {
		size_t n = strcspn(list, ":");

		if (n == len && memcmp(list, at, len) == 0)
			return true;
		list += n + 1;
	}
	return false;
}

static int add_element(struct sources *sources, struct kev_str element, struct kev_error *error)
{
	char *path = kev_str_dup(element);
	int r = path ? add_source(sources, path, false, error) : -ENOMEM;

	free(path);
	return r;
}

static int add_list(struct sources *sources, const char *list, struct kev_error *error)
{
	int files = 0, r = 0;

	for (const char *at = list; !r; at++) {
		size_t len = strcspn(at, ":");

		if (len && !is_repeated(list, at, len)) {
			if (++files > FILES_MAX) {
				kev_error_set(error, "KUBECONFIG names more than %d files", FILES_MAX);
				return -EINVAL;
			}
			r = add_element(sources, (struct kev_str){at, len}, error);
		}
		at += len;
		if (!*at)
			break;
	}
	return r;
}

static int read_sources(const struct kev_environment *environment, const char *path, struct sources *sources,
	struct kev_error *error)
{
	const char *list = environment->kubeconfig, *home = environment->home;
	int n;

	if (path)
		n = asprintf(&sources->label, "%s", path);
	else if (list && *list)
		n = asprintf(&sources->label, "KUBECONFIG=%s", list);
	else if (home && *home)
		n = asprintf(&sources->label, "%s/.kube/config", home);
	else
		n = asprintf(&sources->label, "~/.kube/config (neither KUBECONFIG nor HOME is set)");
	if (n < 0) {
		sources->label = NULL;
		return -ENOMEM;
	}
	if (path)
		return add_source(sources, path, true, error);
	if (list && *list)
		return add_list(sources, list, error);
	return home && *home ? add_source(sources, sources->label, false, error) : 0;
}

/* Choosing. */

static bool is_empty(const struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		if (sources->items[i].file.contexts.count || sources->items[i].file.current_context.len)
			return false;
	}
	return true;
}

static struct kev_str current_context(const struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		if (sources->items[i].file.current_context.len)
			return sources->items[i].file.current_context;
	}
	return (struct kev_str){NULL, 0};
}

enum list { CLUSTERS, USERS, CONTEXTS };

static const struct kev_stanza_list *list_of(const struct kev_stanza_file *file, enum list list)
{
	switch (list) {
	case CLUSTERS:
		return &file->clusters;
	case USERS:
		return &file->users;
	case CONTEXTS:
		break;
	}
	return &file->contexts;
}

/* The first file that has it wins, whole. Looks at the first count files. */
static struct kev_context_part find(
	const struct sources *sources, size_t count, enum list list, struct kev_str name)
{
	for (size_t i = 0; i < count; i++) {
		const struct kev_stanza_file *file = &sources->items[i].file;
		const struct kev_stanza *stanza = kev_stanza_find(list_of(file, list), name);

		if (stanza)
			return (struct kev_context_part){file, stanza};
	}
	return (struct kev_context_part){NULL, NULL};
}

/* ", which has "a", "b" and 5 more" */
static void append_contexts(const struct sources *sources, struct kev_buf *out)
{
	size_t listed = 0, more = 0;

	for (size_t i = 0; i < sources->count; i++) {
		const struct kev_stanza_list *list = &sources->items[i].file.contexts;

		for (size_t j = 0; j < list->count; j++) {
			struct kev_str name = list->items[j].name;

			if (!name.len || find(sources, i, CONTEXTS, name).stanza)
				continue;
			if (out->len > NAMES_BYTES_MAX) {
				more++;
				continue;
			}
			kev_buf_printf(out, "%s\"%.*s\"", listed ? ", " : ", which has ",
				name.len < NAME_BYTES_MAX ? (int)name.len : NAME_BYTES_MAX, name.data);
			listed++;
		}
	}
	if (more)
		kev_buf_printf(out, " and %zu more", more);
	else if (!listed)
		kev_buf_append_c(out, ", which has no contexts");
}

static int fail_context(const struct sources *sources, struct kev_str name, struct kev_error *error)
{
	struct kev_buf names;
	const char *list;

	if (!sources->count) {
		kev_error_set(error,
			"no kubeconfig: %s: no such file; -o kubeconfig=PATH or KUBECONFIG names another",
			sources->label);
		return -ENOENT;
	}
	kev_buf_init(&names, 2 * NAMES_BYTES_MAX);
	append_contexts(sources, &names);
	list = kev_buf_cstr(&names);
	if (name.len)
		kev_error_set(error, "no context \"%.*s\" in %s%s", (int)name.len, name.data, sources->label,
			list ? list : "");
	else
		kev_error_set(error, "no current-context in %s%s", sources->label, list ? list : "");
	kev_buf_fini(&names);
	return -ENOENT;
}

static int fail_dangling(
	const struct kev_context *context, const char *kind, struct kev_str name, struct kev_error *error)
{
	const char *path = context->context.file->path;
	size_t line = context->context.stanza->line;

	if (name.len)
		kev_error_set(error, "%s:%zu: context \"%.*s\": there is no %s \"%.*s\"", path, line,
			(int)context->name.len, context->name.data, kind, (int)name.len, name.data);
	else
		kev_error_set(error, "%s:%zu: context \"%.*s\" names no %s", path, line,
			(int)context->name.len, context->name.data, kind);
	return -EINVAL;
}

static int choose(
	const struct sources *sources, const char *name, struct kev_context *out, struct kev_error *error)
{
	struct kev_context context = {.name = name ? kev_str_c(name) : current_context(sources)};
	struct kev_stanza_context stanza;
	int r;

	if (context.name.len)
		context.context = find(sources, sources->count, CONTEXTS, context.name);
	if (!context.context.stanza)
		return fail_context(sources, context.name, error);
	r = kev_stanza_read_context(context.context.file, context.context.stanza, &stanza, error);
	if (r)
		return r;
	context.cluster = find(sources, sources->count, CLUSTERS, stanza.cluster);
	if (!stanza.cluster.len || !context.cluster.stanza)
		return fail_dangling(&context, "cluster", stanza.cluster, error);
	/* No user at all is what a context for "kubectl proxy" has. */
	if (stanza.user.len) {
		context.user = find(sources, sources->count, USERS, stanza.user);
		if (!context.user.stanza)
			return fail_dangling(&context, "user", stanza.user, error);
	}
	*out = context;
	return 0;
}

/* So that whoever prints the reason has one. @return r */
static int explain_memory(int r, struct kev_error *error)
{
	if (r == -ENOMEM)
		kev_error_set(error, "not enough memory");
	return r;
}

static int check_and_give(struct kev_cluster_config *config /* taken */, struct kev_cluster_config **out,
	struct kev_error *error)
{
	int r = kev_cluster_config_check(config, error);

	if (r)
		kev_cluster_config_destroy(config);
	else
		*out = config;
	return r;
}

static int load_context(const struct sources *sources, const char *name, struct kev_cluster_config **out,
	struct kev_error *error)
{
	struct kev_cluster_config *config;
	struct kev_context context;
	int r = choose(sources, name, &context, error);

	if (!r)
		r = kev_context_config(&context, &config, error);
	return r ? r : check_and_give(config, out, error);
}

int kev_kubeconfig_load(const struct kev_environment *environment, const char *path, const char *context,
	struct kev_cluster_config **out, struct kev_error *error)
{
	struct sources sources = {.count = 0};
	int r = read_sources(environment, path, &sources, error);

	if (!r && !context && !path && is_empty(&sources) && kev_service_account_is_there(environment))
		r = kev_kubeconfig_load_in_cluster(environment, out, error);
	else if (!r)
		r = load_context(&sources, context, out, error);
	fini_sources(&sources);
	return explain_memory(r, error);
}

int kev_kubeconfig_load_in_cluster(
	const struct kev_environment *environment, struct kev_cluster_config **out, struct kev_error *error)
{
	struct kev_cluster_config *config;
	int r = kev_service_account_config(environment, &config, error);

	return explain_memory(r ? r : check_and_give(config, out, error), error);
}

static int load_url(const char *url, struct kev_cluster_config **out, struct kev_error *error)
{
	KEV_CLEANUP(cluster_config_destroyp) struct kev_cluster_config *config = kev_cluster_config_create();
	int r;

	if (!config)
		return -ENOMEM;
	r = kev_url_server(kev_str_c(url), &config->server, error);
	if (r)
		return r;
	config->source = strdup(config->server);
	if (!config->source)
		return -ENOMEM;
	*out = config;
	config = NULL;
	return 0;
}

int kev_kubeconfig_load_url(const char *url, struct kev_cluster_config **out, struct kev_error *error)
{
	return explain_memory(load_url(url, out, error), error);
}

void kev_environment_read(struct kev_environment *environment)
{
	const struct passwd *user;

	environment->kubeconfig = getenv("KUBECONFIG");
	environment->home = getenv("HOME");
	environment->service_host = getenv("KUBERNETES_SERVICE_HOST");
	environment->service_port = getenv("KUBERNETES_SERVICE_PORT");
	environment->service_account_directory = "/var/run/secrets/kubernetes.io/serviceaccount";
	/* mount(8) in a boot has no HOME. */
	if (!environment->home || !*environment->home) {
		user = getpwuid(geteuid());
		environment->home = user ? user->pw_dir : NULL;
	}
}
