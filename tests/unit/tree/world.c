#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../words.h"
#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"

static int64_t now(void *context)
{
	const struct world *world = context;

	return world->now;
}

struct world *world_create(void)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->now = WORLD_NOW;
	world->clock = (struct kev_clock){now, now, now, world};
	world->changes = kev_changes_create(100000);
	assert_non_null(world->changes);
	world->store = kev_store_create(&world->clock, world->changes);
	assert_non_null(world->store);
	world->tree = kev_tree_create(&world->clock, world->store);
	assert_non_null(world->tree);
	world->json = kev_json_create();
	assert_non_null(world->json);
	return world;
}

void world_destroy(struct world *world)
{
	kev_tree_destroy(world->tree);
	kev_store_destroy(world->store);
	kev_changes_destroy(world->changes);
	kev_json_destroy(world->json);
	free(world);
}

int world_setup(void **state)
{
	*state = world_create();
	return 0;
}

int world_teardown(void **state)
{
	world_destroy(*state);
	return 0;
}

static void append_string(struct kev_buf *out, struct kev_str s)
{
	kev_buf_append_char(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c < 0x20 || c == '"' || c == '\\')
			kev_buf_printf(out, "\\u%04x", c);
		else
			kev_buf_append_char(out, s.data[i]);
	}
	kev_buf_append_char(out, '"');
}

static void append_member(struct kev_buf *out, const char *key, struct kev_str value, const char *otherwise)
{
	kev_buf_printf(out, "\"%s\":", key);
	append_string(out, value.data ? value : kev_str_c(otherwise));
}

struct kev_event *world_make_event(struct world *world, const struct world_event *event)
{
	struct kev_error error = {""};
	struct kev_event *made = NULL;
	struct kev_buf text;
	time_t created = event->written ? event->written : WORLD_NOW / WORLD_SECOND - 60;
	char when[32], version[16];

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime(&created));
	snprintf(version, sizeof(version), "%u", ++world->revision);
	kev_buf_init(&text, 1 << 20);
	kev_buf_printf(&text, "{\"metadata\":{\"creationTimestamp\":\"%s\",", when);
	append_member(&text, "namespace", event->namespace_, "shop");
	kev_buf_append_char(&text, ',');
	append_member(&text, "name", event->name, "web.1");
	kev_buf_append_char(&text, ',');
	append_member(&text, "uid", event->uid, "uid-1");
	kev_buf_append_char(&text, ',');
	append_member(&text, "resourceVersion", event->resource_version, version);
	kev_buf_append_c(&text, "},\"involvedObject\":{");
	append_member(&text, "apiVersion", event->api_version, "v1");
	kev_buf_append_char(&text, ',');
	append_member(&text, "kind", event->kind, "Pod");
	kev_buf_append_char(&text, ',');
	append_member(&text, "namespace", event->object_namespace, "");
	kev_buf_append_char(&text, ',');
	append_member(&text, "name", event->object, "web");
	kev_buf_append_c(&text, "},");
	append_member(&text, "message", event->message, "hello");
	if (event->last_seen) {
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime(&event->last_seen));
		kev_buf_printf(&text, ",\"lastTimestamp\":\"%s\"", when);
	}
	kev_buf_append_char(&text, ',');
	append_member(&text, "type", event->type, "Normal");
	kev_buf_append_char(&text, ',');
	append_member(&text, "reason", event->reason, "Tested");
	kev_buf_append_c(&text, ",\"source\":{");
	append_member(&text, "host", event->host, "");
	kev_buf_append_c(&text, "}}");
	assert_int_equal(text.error, 0);
	assert_int_equal(kev_json_scan(world->json, kev_buf_str(&text), &error), 0);
	assert_int_equal(kev_event_create(world->json, 0, words(), &made, &error), 0);
	kev_buf_fini(&text);
	return made;
}

struct kev_event *world_put(struct world *world, const struct world_event *event, enum kev_origin origin)
{
	struct kev_event *made = world_make_event(world, event);

	assert_int_equal(kev_store_put(world->store, made, origin), 0);
	return made;
}

struct kev_event *world_live(
	struct world *world, const char *namespace_, const char *object, const char *name)
{
	const struct world_event event = {.namespace_ = kev_str_c(namespace_),
		.object = kev_str_c(object),
		.name = kev_str_c(name),
		.uid = kev_str_c(name)};

	return world_put(world, &event, KEV_ORIGIN_LIVE);
}

void world_follow(struct world *world, kev_tree_stale_fn *stale, void *context)
{
	uint64_t missing = 0;

	assert_int_equal(kev_tree_follow(world->tree, world->changes, &missing, stale, context), 0);
	assert_int_equal(missing, 0);
}

void world_enable_logs(struct world *world, uint64_t log_max)
{
	kev_tree_set_log_max(world->tree, log_max);
	kev_changes_keep_lost(world->changes, 1 << 30);
}

void world_carry(struct world *world, kev_tree_stale_fn *stale, void *context)
{
	struct kev_change changes[16];
	bool resync;
	size_t count;

	do {
		resync = false;
		count = kev_changes_take(world->changes, changes, KEV_ARRAY_LEN(changes), 0, &resync);
		if (resync)
			world_follow(world, stale, context);
		assert_int_equal(kev_tree_apply(world->tree, changes, count, stale, context), 0);
		for (size_t i = 0; i < count; i++)
			kev_change_fini(&changes[i]);
	} while (count || resync);
}

void world_forget(struct world *world, uint64_t node)
{
	kev_tree_forget(world->tree, node, 1);
}

struct kev_entry world_find(struct world *world, const char *path)
{
	struct kev_entry entry = {.node = KEV_TREE_ROOT};
	const char *at = path;

	assert_int_equal(kev_tree_getattr(world->tree, KEV_TREE_ROOT, &entry.attr), 0);
	while (*at == '/' && at[1] && entry.node) {
		struct kev_str name = {at + 1, strcspn(at + 1, "/")};
		uint64_t parent = entry.node;

		assert_int_equal(kev_tree_lookup(world->tree, parent, name, &entry), 0);
		if (parent != KEV_TREE_ROOT)
			world_forget(world, parent);
		at = name.data + name.len;
	}
	return entry;
}

struct kev_attr world_attr(struct world *world, const char *path)
{
	struct kev_entry entry = world_find(world, path);

	assert_int_not_equal(entry.node, 0);
	world_forget(world, entry.node);
	return entry.attr;
}

bool world_has(struct world *world, const char *path)
{
	struct kev_entry entry = world_find(world, path);

	world_forget(world, entry.node);
	return entry.node != 0;
}

struct names {
	char *names[100000];
	size_t count;
};

static int collect(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	struct names *names = context;

	(void)entry;
	(void)next;
	if (kev_str_eq(name, KEV_STR(".")) || kev_str_eq(name, KEV_STR("..")))
		return 0;
	names->names[names->count] = kev_str_dup(name);
	assert_non_null(names->names[names->count++]);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *world_list(struct world *world, const char *path)
{
	struct kev_entry entry = world_find(world, path);
	struct names *names = calloc(1, sizeof(*names));
	struct kev_buf out;
	char *list;

	assert_non_null(names);
	assert_int_not_equal(entry.node, 0);
	assert_int_equal(kev_tree_readdir(world->tree, entry.node, 0, false, collect, names), 0);
	if (entry.node != KEV_TREE_ROOT)
		world_forget(world, entry.node);
	qsort(names->names, names->count, sizeof(*names->names), by_name);
	kev_buf_init(&out, 1 << 26);
	for (size_t i = 0; i < names->count; i++) {
		kev_buf_append_c(&out, names->names[i]);
		kev_buf_append_char(&out, '\n');
		free(names->names[i]);
	}
	free(names);
	list = strdup(kev_buf_cstr(&out));
	assert_non_null(list);
	kev_buf_fini(&out);
	return list;
}
