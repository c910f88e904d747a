/*
 * The heart of kevfs: whatever happens, in whatever order, the tree is what the cluster is, and nothing that
 * the kernel keeps for ever is stale. Random changes go to a store and to a naive model; the tree follows the
 * store and must look like the model; a simulated kernel caches, races and forgets.
 *
 * KEV_TEST_SEED=n and KEV_TEST_STEPS=n run something else than the usual.
 */
#include "simulated_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/num.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/path.h"

static const char *const namespaces[] = {"shop", "x.kevfs", "n2"};

static const char *const objects[] = {"web", "x:y", "..", "a/b"};

/* Kinds, and where they stand. */
static const struct {
	const char *api_version, *kind, *directory;
} kinds[] = {
	{"v1", "Pod", "pods"},
	{"v1", "Node", "nodes"},
	{"", "Deployment", "deployments"},
	{"x.y/v1", "Gizmo", "Gizmo.x.y"},
	{"v1", "events", "%65%76ents"},
};

static const char *const names[] = {"a", "web.17f82d400041d81f", "x/y", ".", "events", "b", "c", "d", "e",
	"f",
	"long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-"
	"long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-"
	"long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-"
	"long"};

/* What the views group by. */
static const char *const types[] = {"Normal", "Warning", ""};
static const char *const reasons[] = {"BackOff", "..", "a/b", "by-type", "Pulled"};
static const char *const hosts[] = {"", "node-1", "node-2", "web"};

static const char *const views[] = {"by-type", "by-reason", "by-node"};

#define NAMESPACES KEV_ARRAY_LEN(namespaces)
#define OBJECTS KEV_ARRAY_LEN(objects)
#define KINDS KEV_ARRAY_LEN(kinds)
#define NAMES KEV_ARRAY_LEN(names)
#define TYPES KEV_ARRAY_LEN(types)
#define REASONS KEV_ARRAY_LEN(reasons)
#define HOSTS KEV_ARRAY_LEN(hosts)
#define VIEWS KEV_ARRAY_LEN(views)
#define GROUPS_MAX 8

struct model {
	struct world *world;
	struct simulated_kernel *kernel;
	uint64_t random;
	uint64_t held; /* the node of which the kernel is told nothing; 0: none */
	bool logs;
	bool restricted;
	struct {
		bool present, permitted;
		bool pods[OBJECTS];
		struct {
			struct kev_event *event; /* the store's; NULL: none */
			size_t kind, object, type, reason, host;
		} events[NAMES];
	} namespaces[NAMESPACES];
};

static size_t below(struct model *model, size_t limit)
{
	return simulated_random(&model->random) % limit;
}

/* Changes of the cluster. */

static void change_event(struct model *model, size_t ns)
{
	size_t name = below(model, NAMES), uid = below(model, 8) == 0;
	struct world_event event = {
		.namespace_ = kev_str_c(namespaces[ns]),
		.name = kev_str_c(names[name]),
		.uid = uid ? KEV_STR("other") : KEV_STR("usual"),
	};

	if (model->namespaces[ns].events[name].event && below(model, 3) == 0) {
		kev_store_delete(model->world->store, event.namespace_, event.name);
		model->namespaces[ns].events[name].event = NULL;
		return;
	}
	/* Mostly an update stays with its object. */
	if (!model->namespaces[ns].events[name].event || below(model, 4) == 0) {
		model->namespaces[ns].events[name].kind = below(model, KINDS);
		model->namespaces[ns].events[name].object = below(model, OBJECTS);
	}
	/* It moves now and then; some revisions are the same in all groups. */
	if (!model->namespaces[ns].events[name].event || below(model, 2) == 0) {
		model->namespaces[ns].events[name].type = below(model, TYPES);
		model->namespaces[ns].events[name].reason = below(model, REASONS);
		model->namespaces[ns].events[name].host = below(model, HOSTS);
	}
	event.type = kev_str_c(types[model->namespaces[ns].events[name].type]);
	event.reason = kev_str_c(reasons[model->namespaces[ns].events[name].reason]);
	event.host = kev_str_c(hosts[model->namespaces[ns].events[name].host]);
	event.api_version = kev_str_c(kinds[model->namespaces[ns].events[name].kind].api_version);
	event.kind = kev_str_c(kinds[model->namespaces[ns].events[name].kind].kind);
	event.object = kev_str_c(objects[model->namespaces[ns].events[name].object]);
	model->namespaces[ns].events[name].event = world_put(model->world, &event, KEV_ORIGIN_LIVE);
}

static void change_pod(struct model *model, size_t ns)
{
	size_t object = below(model, OBJECTS);
	struct kev_str namespace_ = kev_str_c(namespaces[ns]), name = kev_str_c(objects[object]);

	model->namespaces[ns].pods[object] = below(model, 2);
	if (model->namespaces[ns].pods[object])
		assert_int_equal(kev_store_put_pod(model->world->store, namespace_, name,
					 (int64_t)below(model, 2000000000) * WORLD_SECOND),
			0);
	else
		kev_store_delete_pod(model->world->store, namespace_, name);
}

static void change_namespace(struct model *model, size_t ns)
{
	model->namespaces[ns].present = below(model, 2);
	if (model->namespaces[ns].present)
		assert_int_equal(kev_store_put_namespace(model->world->store, kev_str_c(namespaces[ns]),
					 (int64_t)below(model, 2000000000) * WORLD_SECOND),
			0);
	else
		kev_store_delete_namespace(model->world->store, kev_str_c(namespaces[ns]));
}

/* Mostly all may be seen. */
static void change_access(struct model *model, size_t ns)
{
	if (below(model, 3) == 0) {
		model->restricted = !model->restricted && below(model, 2);
		kev_store_restrict(model->world->store, model->restricted);
		for (size_t i = 0; i < NAMESPACES && !model->restricted; i++)
			model->namespaces[i].permitted = false;
	} else {
		model->namespaces[ns].permitted = below(model, 3);
		assert_int_equal(kev_store_permit(model->world->store, kev_str_c(namespaces[ns]),
					 model->namespaces[ns].permitted),
			0);
	}
}

static bool is_denied(const struct model *model, size_t ns)
{
	return model->restricted && !model->namespaces[ns].permitted;
}

static void change_something(struct model *model)
{
	size_t ns = below(model, NAMESPACES);

	/* The clock stands, runs, and sometimes jumps back. */
	model->world->now += (int64_t)below(model, 3) * 1000;
	if (below(model, 200) == 0)
		model->world->now -= (int64_t)below(model, 100) * WORLD_SECOND;
	if (below(model, 40) == 0)
		change_access(model, ns);
	switch (below(model, 8)) {
	case 0:
		change_pod(model, ns);
		break;
	case 1:
		change_namespace(model, ns);
		break;
	default:
		change_event(model, ns);
	}
}

/* The tree follows. */

/* Now and then the kernel cannot be told what goes stale in some directory. (A barrier only comes before
 * something else; where it cannot, notify.c makes up for it.) */
static void notify(void *context, const struct kev_stale *stale)
{
	struct model *model = context;

	if (stale->node == model->held && strcmp(stale->name, KEV_STALE_BARRIER) != 0)
		return;
	simulated_kernel_notify(model->kernel, stale);
}

static void hold(struct model *model)
{
	struct kev_inodes_walk walk = {0};
	const struct kev_inode *inode = kev_inodes_next(model->world->tree->inodes, &walk);

	for (uint64_t i = below(model, 64); i > 0 && inode; i--)
		inode = kev_inodes_next(model->world->tree->inodes, &walk);
	if (!model->held && inode && kev_inode_place(inode).role->type == KEV_NODE_DIR)
		model->held = kev_inode_node(inode);
}

/* When it can be again, all of it is told. */
static void let_go(struct model *model)
{
	uint64_t node = model->held;

	model->held = 0;
	if (node)
		assert_int_equal(kev_tree_refresh(model->world->tree, node, notify, model), 0);
}

static void follow(struct model *model)
{
	struct kev_tree *tree = model->world->tree;
	struct kev_change changes[64];
	bool resync = false;
	size_t count;

	count = kev_changes_take(model->world->changes, changes, KEV_ARRAY_LEN(changes), 0, &resync);
	/* The journal is whole; but one that overflowed, or that a resync overtook, must do as well. */
	if (resync || below(model, 30) == 0) {
		if (below(model, 2))
			change_something(model);
		world_follow(model->world, notify, model);
	} else if (below(model, 60) == 0) {
		assert_int_equal(kev_tree_resync(tree, notify, model), 0);
		for (size_t i = 0; i < count; i++)
			kev_change_fini(&changes[i]);
		count = 0;
	}
	assert_int_equal(kev_tree_apply(tree, changes, count, notify, model), 0);
	if (below(model, 2))
		kev_tree_publish(tree, notify, model);
	for (size_t i = 0; i < count; i++)
		kev_change_fini(&changes[i]);
}

static void follow_all(struct model *model)
{
	world_carry(model->world, notify, model);
}

/* What the tree should be: a line for everything, sorted. */

struct lines {
	struct kev_buf text;
	char *line[4000];
	size_t count;
};

static void add_line(
	struct lines *lines, const char *path, char type, uint32_t nlink, uint64_t size, int64_t ctime)
{
	struct kev_buf line;

	kev_buf_init(&line, 10000);
	kev_buf_printf(
		&line, "%s %c %u %llu %lld\n", path, type, nlink, (unsigned long long)size, (long long)ctime);
	lines->line[lines->count] = strdup(kev_buf_cstr(&line));
	assert_non_null(lines->line[lines->count++]);
	kev_buf_fini(&line);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void join(struct lines *lines)
{
	qsort(lines->line, lines->count, sizeof(*lines->line), by_text);
	kev_buf_init(&lines->text, 10000000);
	for (size_t i = 0; i < lines->count; i++) {
		kev_buf_append_c(&lines->text, lines->line[i]);
		free(lines->line[i]);
	}
	assert_non_null(kev_buf_cstr(&lines->text));
}

/* "before/name", each name escaped by path.h (which has its own tests). */
static char *joined(const char *before, int (*append)(struct kev_buf *, struct kev_str), const char *name)
{
	struct kev_buf path;
	char *text;

	kev_buf_init(&path, 10000);
	kev_buf_printf(&path, "%s/", before);
	assert_int_equal(append(&path, kev_str_c(name)), 0);
	text = strdup(kev_buf_cstr(&path));
	assert_non_null(text);
	kev_buf_fini(&path);
	return text;
}

static int append_object(struct kev_buf *out, struct kev_str name)
{
	return kev_path_append_object(out, KEV_STR(""), KEV_STR(""), name);
}

static int append_verbatim(struct kev_buf *out, struct kev_str name)
{
	return kev_buf_append_str(out, name);
}

static uint32_t expect_events(struct model *model, struct lines *lines, const char *directory, size_t ns,
	size_t kind, size_t object, bool all)
{
	uint32_t count = 0;

	for (size_t i = 0; i < NAMES; i++) {
		const struct kev_event *event = model->namespaces[ns].events[i].event;
		char *path;

		if (!event || (!all && (model->namespaces[ns].events[i].kind != kind ||
					       model->namespaces[ns].events[i].object != object)))
			continue;
		path = joined(directory, kev_path_append_event, names[i]);
		add_line(lines, path, 'f', 1, kev_event_size(event), kev_event_ctime(event));
		free(path);
		count++;
	}
	return count;
}

/* The logs of a directory: links to them (of that size, and two bytes more for the longer name), or files. */
static void expect_logs(
	struct model *model, struct lines *lines, const char *directory, uint64_t link, bool json)
{
	char *log = joined(directory, append_verbatim, "events.log"),
	     *jsonl = joined(directory, append_verbatim, "events.jsonl");

	if (model->logs) {
		add_line(lines, log, link ? 'l' : 'f', 1, link, 0);
		if (json)
			add_line(lines, jsonl, link ? 'l' : 'f', 1, link ? link + 2 : 0, 0);
	}
	free(log);
	free(jsonl);
}

static uint32_t expect_objects(
	struct model *model, struct lines *lines, const char *resource, size_t ns, size_t kind)
{
	uint32_t count = 0;

	for (size_t i = 0; i < OBJECTS; i++) {
		char *object = joined(resource, append_object, objects[i]);
		char *events = joined(object, append_verbatim, "events");

		if (expect_events(model, lines, events, ns, kind, i, false) ||
			(kind == 0 && model->namespaces[ns].pods[i])) {
			add_line(lines, object, 'd', 3, 0, 0);
			add_line(lines, events, 'd', 2, 0, 0);
			expect_logs(model, lines, object, strlen(".kevfs/events.log"), false);
			count++;
		}
		free(object);
		free(events);
	}
	return count;
}

/* The group in which an event stands; NULL: in none. */
static const char *group_of(struct model *model, size_t view, size_t ns, size_t name)
{
	if (!model->namespaces[ns].events[name].event)
		return NULL;
	if (view == 0)
		return types[model->namespaces[ns].events[name].type];
	if (view == 1)
		return reasons[model->namespaces[ns].events[name].reason];
	if (model->namespaces[ns].events[name].host)
		return hosts[model->namespaces[ns].events[name].host];
	/* An event about a node comes from there. */
	if (model->namespaces[ns].events[name].kind == 1)
		return objects[model->namespaces[ns].events[name].object];
	return NULL;
}

static void expect_grouped(
	struct model *model, struct lines *lines, const char *directory, size_t ns, size_t name)
{
	const struct kev_event *event = model->namespaces[ns].events[name].event;
	char *path = joined(directory, kev_path_append_event, names[name]);

	add_line(lines, path, 'f', 1, kev_event_size(event), kev_event_ctime(event));
	free(path);
}

static void expect_view(struct model *model, struct lines *lines, const char *hidden, size_t ns, size_t view)
{
	char *directory = joined(hidden, append_verbatim, views[view]);
	const char *seen[GROUPS_MAX];
	size_t count = 0;

	add_line(lines, directory, 'd', 1, 0, 0);
	for (size_t i = 0; i < NAMES; i++) {
		const char *group = group_of(model, view, ns, i);
		size_t at = 0;
		char *path;

		if (!group)
			continue;
		path = joined(directory, kev_path_append_event, group);
		expect_grouped(model, lines, path, ns, i);
		while (at < count && strcmp(seen[at], group) != 0)
			at++;
		if (at == count) {
			assert_true(count < GROUPS_MAX);
			seen[count++] = group;
			add_line(lines, path, 'd', 2, 0, 0);
		}
		free(path);
	}
	free(directory);
}

static void expect_links(struct lines *lines, const char *path)
{
	for (size_t view = 0; view < VIEWS; view++) {
		char *link = joined(path, append_verbatim, views[view]);

		add_line(lines, link, 'l', 1,
			strlen("../.kevfs/namespaces//") + strlen(path + 1) + strlen(views[view]), 0);
		free(link);
	}
}

/* It is there; what is in it, nobody may see. */
static bool expect_denied(struct model *model, struct lines *lines, size_t ns)
{
	char *path = joined("", kev_path_append_namespace, namespaces[ns]);
	char *hidden = joined("/.kevfs/namespaces", kev_path_append_namespace, namespaces[ns]);
	bool there = model->namespaces[ns].present;

	for (size_t i = 0; i < OBJECTS; i++)
		there = there || model->namespaces[ns].pods[i];
	for (size_t i = 0; i < NAMES; i++)
		there = there || model->namespaces[ns].events[i].event;
	if (there) {
		add_line(lines, path, 'd', 1, 0, 0);
		add_line(lines, hidden, 'd', 1, 0, 0);
		add_line(lines, path, '!', 0, 0, 0);
		add_line(lines, hidden, '!', 0, 0, 0);
	}
	free(path);
	free(hidden);
	return there;
}

static bool expect_namespace(struct model *model, struct lines *lines, size_t ns)
{
	char *path = joined("", kev_path_append_namespace, namespaces[ns]);
	char *hidden = joined("/.kevfs/namespaces", kev_path_append_namespace, namespaces[ns]);
	char *link = joined(path, append_verbatim, "events"),
	     *all = joined(hidden, append_verbatim, "events");
	uint32_t resources = 0;
	bool there;

	for (size_t kind = 0; kind < KINDS; kind++) {
		char *resource = joined(path, append_verbatim, kinds[kind].directory);
		uint32_t count = expect_objects(model, lines, resource, ns, kind);

		if (count) {
			add_line(lines, resource, 'd', 2 + count, 0, 0);
			resources++;
		}
		free(resource);
	}
	there = resources || model->namespaces[ns].present;
	if (there) {
		add_line(lines, path, 'd', 2 + resources, 0, 0);
		add_line(lines, link, 'l', 1, strlen("../.kevfs/namespaces//events") + strlen(path + 1), 0);
		expect_logs(model, lines, path, strlen("../.kevfs/namespaces//events.log") + strlen(path + 1),
			true);
		expect_logs(model, lines, hidden, 0, true);
		expect_links(lines, path);
		add_line(lines, hidden, 'd', 6, 0, 0);
		for (size_t view = 0; view < VIEWS; view++)
			expect_view(model, lines, hidden, ns, view);
		add_line(lines, all, 'd', 2, 0, 0);
		expect_events(model, lines, all, ns, 0, 0, true);
	}
	free(path);
	free(hidden);
	free(link);
	free(all);
	return there;
}

static void expect_all(struct model *model, struct lines *lines)
{
	uint32_t count = 0;

	for (size_t ns = 0; ns < NAMESPACES; ns++)
		count += is_denied(model, ns) ? expect_denied(model, lines, ns)
					      : expect_namespace(model, lines, ns);
	add_line(lines, "", 'd', 2 + count, 0, 0);
	add_line(lines, "/.kevfs", 'd', 3, 0, 0);
	add_line(lines, "/.kevfs/namespaces", 'd', 2 + count, 0, 0);
	expect_logs(model, lines, "", strlen(".kevfs/events.log"), true);
	expect_logs(model, lines, "/.kevfs", 0, true);
	join(lines);
}

/* What the tree is. */

struct walk {
	struct model *model;
	struct lines *lines;
	char *names[200];
	size_t count;
};

static int remember_name(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	struct walk *walk = context;

	(void)entry;
	(void)next;
	if (kev_str_eq(name, KEV_STR(".")) || kev_str_eq(name, KEV_STR("..")))
		return 0;
	walk->names[walk->count] = kev_str_dup(name);
	assert_non_null(walk->names[walk->count++]);
	return 0;
}

static void walk_node(struct model *model, struct lines *lines, const char *path, uint64_t node,
	const struct kev_attr *attr);

static bool is_log(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return strncmp(name, "events.", 7) == 0 && !strstr(path, "/events/");
}

static void walk_name(
	struct model *model, struct lines *lines, const char *path, uint64_t node, const char *name)
{
	struct kev_entry entry;
	char *child = joined(path, append_verbatim, name);

	assert_int_equal(kev_tree_lookup(model->world->tree, node, kev_str_c(name), &entry), 0);
	assert_int_not_equal(entry.node, 0);
	walk_node(model, lines, child, entry.node, &entry.attr);
	world_forget(model->world, entry.node);
	free(child);
}

static void walk_node(struct model *model, struct lines *lines, const char *path, uint64_t node,
	const struct kev_attr *attr)
{
	static const char letters[] = {[KEV_NODE_DIR] = 'd', [KEV_NODE_FILE] = 'f', [KEV_NODE_LINK] = 'l'};
	struct walk walk = {.model = model, .lines = lines};
	bool log = attr->type == KEV_NODE_FILE && is_log(path);

	/* What stands in a log, test_logs checks. */
	if (log && path[strlen(path) - 1] == '1')
		return;
	add_line(lines, path, letters[attr->type], attr->nlink, log ? 0 : attr->size,
		attr->type == KEV_NODE_FILE && !log ? attr->ctime : 0);
	if (attr->type != KEV_NODE_DIR)
		return;
	assert_int_equal(attr->mtime, attr->ctime);
	if (kev_tree_readdir(model->world->tree, node, 0, false, remember_name, &walk) != 0)
		add_line(lines, path, '!', 0, 0, 0);
	for (size_t i = 0; i < walk.count; i++) {
		walk_name(model, lines, path, node, walk.names[i]);
		free(walk.names[i]);
	}
	if (!*path)
		walk_name(model, lines, path, node, ".kevfs");
}

static void check_usage(struct model *model)
{
	struct kev_tree_usage usage;
	struct kev_store_counts counts;

	kev_tree_usage(model->world->tree, &usage);
	kev_store_counts(model->world->store, &counts);
	assert_int_equal(usage.bytes, counts.event_bytes);
}

static void check_tree(struct model *model)
{
	struct lines *expected = calloc(1, sizeof(*expected)), *actual = calloc(1, sizeof(*actual));
	struct kev_tree_usage usage;
	struct kev_attr attr;
	uint64_t walked = 0;

	assert_non_null(expected);
	assert_non_null(actual);
	expect_all(model, expected);
	assert_int_equal(kev_tree_getattr(model->world->tree, KEV_TREE_ROOT, &attr), 0);
	walk_node(model, actual, "", KEV_TREE_ROOT, &attr);
	join(actual);
	assert_string_equal(actual->text.data, expected->text.data);
	for (char *at = actual->text.data, *line; (line = strchr(at, '\n')); at = line + 1)
		walked += strncmp(at, "/.kevfs", 7) != 0;
	kev_tree_usage(model->world->tree, &usage);
	/* What may not be seen is counted all the same. */
	if (!model->restricted)
		assert_int_equal(usage.nodes, walked);
	check_usage(model);
	kev_buf_fini(&expected->text);
	kev_buf_fini(&actual->text);
	free(expected);
	free(actual);
}

/* A name that somebody types: mostly one that is sometimes there. */
static void type_name(void *context, uint64_t random, char name[KEV_STALE_NAME_SIZE])
{
	static const char *const others[] = {"events", ".kevfs", "namespaces", "nobody", "events.log",
		"events.log.1", "events.jsonl", "events.jsonl.1", "by-type", "by-reason", "by-node"};
	static const char *const groups[] = {"Normal", "Warning", "%", "BackOff", "%2E%2E", "a%2Fb", "Pulled",
		"node-1", "node-2", "web", "x:y"};
	struct kev_buf out;

	(void)context;
	kev_buf_init(&out, KEV_STALE_NAME_SIZE - 1);
	switch (random >> 8 & 15) {
	case 0:
		kev_path_append_namespace(&out, kev_str_c(namespaces[(random >> 16) % NAMESPACES]));
		break;
	case 1:
		kev_buf_append_c(&out, kinds[(random >> 16) % KINDS].directory);
		break;
	case 2:
		append_object(&out, kev_str_c(objects[(random >> 16) % OBJECTS]));
		break;
	case 3:
	case 4:
	case 5:
		kev_buf_append_c(&out, others[(random >> 16) % KEV_ARRAY_LEN(others)]);
		break;
	case 6:
	case 7:
	case 8:
		kev_buf_append_c(&out, groups[(random >> 16) % KEV_ARRAY_LEN(groups)]);
		break;
	default:
		kev_path_append_event(&out, kev_str_c(names[(random >> 16) % NAMES]));
	}
	assert_int_equal(out.error, 0);
	memcpy(name, kev_buf_cstr(&out), out.len + 1);
	kev_buf_fini(&out);
}

static void clear(struct model *model)
{
	for (size_t ns = 0; ns < NAMESPACES; ns++) {
		struct kev_str namespace_ = kev_str_c(namespaces[ns]);

		kev_store_delete_namespace(model->world->store, namespace_);
		for (size_t i = 0; i < OBJECTS; i++)
			kev_store_delete_pod(model->world->store, namespace_, kev_str_c(objects[i]));
		for (size_t i = 0; i < NAMES; i++)
			kev_store_delete(model->world->store, namespace_, kev_str_c(names[i]));
	}
	kev_store_restrict(model->world->store, false);
	model->restricted = false;
	memset(model->namespaces, 0, sizeof(model->namespaces));
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	uint64_t number = otherwise;

	if (text)
		assert_int_equal(kev_num_parse_u64(kev_str_c(text), UINT64_MAX, &number), 0);
	return number;
}

static void run(uint64_t seed, uint64_t steps)
{
	struct model *model = calloc(1, sizeof(*model));
	struct simulated_kernel_counts counts;

	assert_non_null(model);
	model->random = seed;
	model->world = world_create();
	model->logs = seed % 2 == 0;
	if (model->logs)
		world_enable_logs(model->world, 1 << 15);
	/* Until the first sync is complete nobody looks. */
	world_carry(model->world, NULL, NULL);
	model->kernel = simulated_kernel_create(model->world, seed * 7919, type_name, model);
	for (uint64_t step = 0; step < steps; step++) {
		while (below(model, 2))
			change_something(model);
		for (int i = 0; i < 4; i++)
			simulated_kernel_act(model->kernel);
		if (below(model, 8) == 0)
			hold(model);
		if (below(model, 3) == 0)
			follow(model);
		if (below(model, 20) == 0) {
			follow_all(model);
			let_go(model);
			simulated_kernel_check(model->kernel);
			check_tree(model);
		}
		if (below(model, 1000) == 0)
			clear(model);
	}
	clear(model);
	let_go(model);
	follow_all(model);
	while (kev_tree_publish(model->world->tree, notify, model))
		;
	simulated_kernel_check(model->kernel);
	check_tree(model);
	counts = simulated_kernel_counts(model->kernel);
	simulated_kernel_destroy(model->kernel);
	/* Nothing is left of what was there. */
	assert_int_equal(model->world->tree->namespaces.members.count, 0);
	world_destroy(model->world);
	free(model);
	printf("checked %lu names, %lu absences, %lu attributes, %lu listings; %lu barriers, %lu refusals\n",
		counts.names, counts.absences, counts.attributes, counts.listings, counts.barriers,
		counts.refusals);
	assert_int_equal(counts.unkept, 0);
	assert_true(counts.refusals > steps / 50);
	assert_true(counts.names > steps / 10 && counts.absences > steps / 10 &&
		    counts.attributes > steps / 10 && counts.listings > steps / 50 && counts.barriers > 0);
}

static void test_model(void **state)
{
	uint64_t seed = number_from("KEV_TEST_SEED", 1), steps = number_from("KEV_TEST_STEPS", 4000);

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		printf("seed %llu\n", (unsigned long long)(seed + i));
		run(seed + i, steps);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
