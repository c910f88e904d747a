#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/tree/internal.h"

/* What was said to be stale: a line each, with the paths of the nodes that a test knows. */
struct said {
	struct world *world;
	struct {
		uint64_t node;
		const char *path;
	} known[16];
	size_t known_count;
	bool barriers; /* say them as well */
	struct kev_buf lines;
};

static void said_init(struct said *said, struct world *world)
{
	*said = (struct said){.world = world, .known = {{KEV_TREE_ROOT, "/"}}, .known_count = 1};
	kev_buf_init(&said->lines, 100000);
}

static void said_fini(struct said *said)
{
	for (size_t i = 1; i < said->known_count; i++)
		world_forget(said->world, said->known[i].node);
	kev_buf_fini(&said->lines);
}

/* Let the kernel know the node of a path. */
static struct kev_attr know(struct said *said, const char *path)
{
	struct kev_entry entry = world_find(said->world, path);

	assert_int_not_equal(entry.node, 0);
	said->known[said->known_count].node = entry.node;
	said->known[said->known_count++].path = path;
	return entry.attr;
}

static void say(void *context, const struct kev_stale *stale)
{
	static const char *const kinds[] = {
		[KEV_STALE_ENTRY] = "entry", [KEV_STALE_LISTING] = "listing", [KEV_STALE_ATTR] = "attr"};
	struct said *said = context;
	struct kev_attr attr;

	if (!said->barriers && strcmp(stale->name, KEV_STALE_BARRIER) == 0)
		return;
	/* The tree's lock is free. */
	assert_int_equal(kev_tree_getattr(said->world->tree, stale->node, &attr), 0);
	for (size_t i = 0; i < said->known_count; i++) {
		if (said->known[i].node == stale->node) {
			kev_buf_printf(&said->lines, "%s %s%s%s\n", kinds[stale->kind], said->known[i].path,
				stale->kind == KEV_STALE_ENTRY ? " " : "", stale->name);
			return;
		}
	}
	fail_msg("a node that nobody knows: %llu", (unsigned long long)stale->node);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Carry over, and these lines were said, in whatever order. */
static void assert_said(struct said *said, const char *expected)
{
	char *lines[200], *text, *save = NULL;
	struct kev_buf sorted;
	size_t count = 0;

	kev_buf_clear(&said->lines);
	world_carry(said->world, say, said);
	text = strdup(kev_buf_cstr(&said->lines));
	assert_non_null(text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		lines[count++] = line;
	qsort(lines, count, sizeof(*lines), by_text);
	kev_buf_init(&sorted, 100000);
	for (size_t i = 0; i < count; i++)
		kev_buf_printf(&sorted, "%s\n", lines[i]);
	assert_string_equal(kev_buf_cstr(&sorted), expected);
	kev_buf_fini(&sorted);
	free(text);
}

static void know_all(struct said *said)
{
	know(said, "/.kevfs");
	know(said, "/.kevfs/namespaces");
	know(said, "/.kevfs/namespaces/shop");
	know(said, "/.kevfs/namespaces/shop/events");
	know(said, "/shop");
	know(said, "/shop/events");
	know(said, "/shop/pods");
	know(said, "/shop/pods/web");
	know(said, "/shop/pods/web/events");
	know(said, "/shop/pods/web/events/a");
}

static void test_apply_nothing_known(void **state)
{
	struct said said;

	said_init(&said, *state);
	world_carry(*state, NULL, NULL);
	world_live(*state, "shop", "web", "a");
	assert_said(&said, "entry / shop\nlisting /\n");
	world_live(*state, "shop", "web", "a");
	world_live(*state, "shop", "web", "b");
	assert_said(&said, "");
	said_fini(&said);
}

static void test_apply_update(void **state)
{
	struct said said;

	said_init(&said, *state);
	world_live(*state, "shop", "web", "a");
	world_carry(*state, NULL, NULL);
	know_all(&said);
	world_live(*state, "shop", "web", "a");
	assert_said(&said, "attr /shop/pods/web\n"
			   "entry /.kevfs/namespaces/shop/events a\n"
			   "entry /shop/pods/web/events a\n");
	said_fini(&said);
}

static void test_apply_create(void **state)
{
	struct said said;

	said_init(&said, *state);
	world_live(*state, "shop", "web", "a");
	world_carry(*state, NULL, NULL);
	know_all(&said);
	world_live(*state, "shop", "web", "b");
	assert_said(&said, "attr /shop/pods/web\n"
			   "entry /.kevfs/namespaces/shop/events b\n"
			   "entry /shop/pods/web/events b\n"
			   "listing /.kevfs/namespaces/shop/events\n"
			   "listing /shop/pods/web/events\n");
	said_fini(&said);
}

static void test_apply_create_object(void **state)
{
	struct said said;

	said_init(&said, *state);
	world_live(*state, "shop", "web", "a");
	world_carry(*state, NULL, NULL);
	know_all(&said);
	world_live(*state, "shop", "other", "b");
	assert_said(&said, "entry /.kevfs/namespaces/shop/events b\n"
			   "entry /shop/pods other\n"
			   "listing /.kevfs/namespaces/shop/events\n"
			   "listing /shop/pods\n");
	said_fini(&said);
}

static void test_apply_delete(void **state)
{
	struct said said;

	said_init(&said, *state);
	world_live(*state, "shop", "web", "a");
	world_live(*state, "shop", "web", "b");
	world_carry(*state, NULL, NULL);
	know_all(&said);
	kev_store_delete(((struct world *)*state)->store, KEV_STR("shop"), KEV_STR("b"));
	assert_said(&said, "entry /.kevfs/namespaces/shop/events b\n"
			   "entry /shop/pods/web/events b\n"
			   "listing /.kevfs/namespaces/shop/events\n"
			   "listing /shop/pods/web/events\n");
	said_fini(&said);
}

/* The last event of the last object of the last resource of a namespace that is none. */
static void test_apply_delete_last(void **state)
{
	struct said said;

	said_init(&said, *state);
	world_live(*state, "shop", "web", "a");
	world_carry(*state, NULL, NULL);
	know_all(&said);
	kev_store_delete(((struct world *)*state)->store, KEV_STR("shop"), KEV_STR("a"));
	assert_said(&said, "entry / shop\n"
			   "entry /.kevfs/namespaces shop\n"
			   "entry /.kevfs/namespaces/shop by-node\n"
			   "entry /.kevfs/namespaces/shop by-reason\n"
			   "entry /.kevfs/namespaces/shop by-type\n"
			   "entry /.kevfs/namespaces/shop events\n"
			   "entry /.kevfs/namespaces/shop/events a\n"
			   "entry /shop by-node\n"
			   "entry /shop by-reason\n"
			   "entry /shop by-type\n"
			   "entry /shop events\n"
			   "entry /shop pods\n"
			   "entry /shop/pods web\n"
			   "entry /shop/pods/web events\n"
			   "entry /shop/pods/web/events a\n"
			   "listing /\n"
			   "listing /.kevfs/namespaces\n"
			   "listing /.kevfs/namespaces/shop\n"
			   "listing /.kevfs/namespaces/shop/events\n"
			   "listing /shop\n"
			   "listing /shop/pods\n"
			   "listing /shop/pods/web\n"
			   "listing /shop/pods/web/events\n");
	/* And the whole of it back again. */
	world_live(*state, "shop", "web", "a");
	assert_said(&said, "entry / shop\n"
			   "entry /.kevfs/namespaces shop\n"
			   "entry /.kevfs/namespaces/shop by-node\n"
			   "entry /.kevfs/namespaces/shop by-reason\n"
			   "entry /.kevfs/namespaces/shop by-type\n"
			   "entry /.kevfs/namespaces/shop events\n"
			   "entry /.kevfs/namespaces/shop/events a\n"
			   "entry /shop by-node\n"
			   "entry /shop by-reason\n"
			   "entry /shop by-type\n"
			   "entry /shop events\n"
			   "entry /shop pods\n"
			   "entry /shop/pods web\n"
			   "entry /shop/pods/web events\n"
			   "entry /shop/pods/web/events a\n"
			   "listing /\n"
			   "listing /.kevfs/namespaces\n"
			   "listing /.kevfs/namespaces/shop\n"
			   "listing /.kevfs/namespaces/shop/events\n"
			   "listing /shop\n"
			   "listing /shop/pods\n"
			   "listing /shop/pods/web\n"
			   "listing /shop/pods/web/events\n");
	said_fini(&said);
}

/* Another uid under the same name is another file: the cached listing holds its old st_ino. */
static void test_apply_other_uid(void **state)
{
	const struct world_event one = {.name = KEV_STR("a"), .uid = KEV_STR("1")},
				 two = {.name = KEV_STR("a"), .uid = KEV_STR("2")};
	struct kev_attr before;
	struct said said;

	said_init(&said, *state);
	world_put(*state, &one, KEV_ORIGIN_LIVE);
	world_carry(*state, NULL, NULL);
	know(&said, "/shop/pods/web/events");
	before = know(&said, "/shop/pods/web/events/a");
	world_put(*state, &two, KEV_ORIGIN_LIVE);
	assert_said(&said, "entry /shop/pods/web/events a\n"
			   "listing /shop/pods/web/events\n");
	assert_int_not_equal(world_attr(*state, "/shop/pods/web/events/a").ino, before.ino);
	said_fini(&said);
}

/* Attributes that were given out since the last change may be on their way: they land first. */
static void test_apply_barrier(void **state)
{
	struct said said;

	said_init(&said, *state);
	said.barriers = true;
	world_live(*state, "shop", "web", "a");
	world_carry(*state, NULL, NULL);
	know(&said, "/shop");
	know(&said, "/shop/pods");
	know(&said, "/shop/pods/web");
	world_live(*state, "shop", "web", "a");
	world_carry(*state, say, &said);
	assert_string_equal(kev_buf_cstr(&said.lines), "entry /shop/pods %!\nattr /shop/pods/web\n");
	kev_buf_clear(&said.lines);
	world_live(*state, "shop", "web", "a");
	world_carry(*state, say, &said);
	assert_string_equal(kev_buf_cstr(&said.lines), "attr /shop/pods/web\n");
	kev_buf_clear(&said.lines);
	know(&said, "/shop/pods/web");
	world_live(*state, "shop", "other", "b");
	world_live(*state, "shop", "web", "a");
	world_carry(*state, say, &said);
	assert_string_equal(kev_buf_cstr(&said.lines),
		"entry /shop/pods other\nentry /shop %!\nlisting /shop/pods\nentry /shop/pods %!\nattr "
		"/shop/pods/web\n");
	said_fini(&said);
}

/* An update may say that the event is about something else. */
static void test_apply_move(void **state)
{
	const struct world_event one = {.name = KEV_STR("a")},
				 two = {.name = KEV_STR("a"), .object = KEV_STR("other")},
				 three = {.name = KEV_STR("a"),
					 .kind = KEV_STR("Node"),
					 .object = KEV_STR("web")};
	struct said said;

	said_init(&said, *state);
	world_put(*state, &one, KEV_ORIGIN_LIVE);
	world_live(*state, "shop", "other", "b");
	world_carry(*state, NULL, NULL);
	know(&said, "/.kevfs");
	know(&said, "/.kevfs/namespaces");
	know(&said, "/.kevfs/namespaces/shop");
	know(&said, "/.kevfs/namespaces/shop/events");
	know(&said, "/shop");
	know(&said, "/shop/pods");
	know(&said, "/shop/pods/other");
	know(&said, "/shop/pods/other/events");
	world_put(*state, &two, KEV_ORIGIN_LIVE);
	assert_said(&said, "attr /shop/pods/other\n"
			   "entry /.kevfs/namespaces/shop/events a\n"
			   "entry /shop/pods web\n"
			   "entry /shop/pods/other/events a\n"
			   "listing /shop/pods\n"
			   "listing /shop/pods/other/events\n");
	assert_lists(*state, "/shop/pods/other/events", "a\nb\n");
	assert_lists(*state, "/shop/pods", "other\n");
	world_put(*state, &three, KEV_ORIGIN_LIVE);
	assert_said(&said, "entry /.kevfs/namespaces/shop/events a\n"
			   "entry /shop nodes\n"
			   "entry /shop/pods/other/events a\n"
			   "listing /shop\n"
			   "listing /shop/pods/other/events\n");
	assert_lists(*state, "/shop/nodes/web/events", "a\n");
	assert_lists(*state, "/shop/pods/other/events", "b\n");
	assert_lists(*state, "/.kevfs/namespaces/shop/events", "a\nb\n");
	said_fini(&said);
}

/* The same involvedObject in other words stays where it is. */
static void test_apply_move_to_same_object(void **state)
{
	const struct world_event one = {.name = KEV_STR("a")},
				 two = {.name = KEV_STR("a"), .api_version = KEV_STR("")},
				 three = {.name = KEV_STR("a"), .object_namespace = KEV_STR("shop")};
	struct said said;

	said_init(&said, *state);
	world_put(*state, &one, KEV_ORIGIN_LIVE);
	world_carry(*state, NULL, NULL);
	know_all(&said);
	world_put(*state, &two, KEV_ORIGIN_LIVE);
	assert_said(&said, "attr /shop/pods/web\n"
			   "entry /.kevfs/namespaces/shop/events a\n"
			   "entry /shop/pods/web/events a\n");
	world_put(*state, &three, KEV_ORIGIN_LIVE);
	world_carry(*state, NULL, NULL);
	kev_store_delete(((struct world *)*state)->store, KEV_STR("shop"), KEV_STR("a"));
	world_carry(*state, NULL, NULL);
	assert_lists(*state, "/", "");
	said_fini(&said);
}

static void test_apply_pod(void **state)
{
	struct world *world = *state;
	struct said said;
	struct kev_attr attr;

	said_init(&said, world);
	assert_int_equal(
		kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("web"), 5 * WORLD_SECOND), 0);
	world_carry(world, NULL, NULL);
	assert_lists(world, "/shop", WORLD_LINKS "pods\n");
	attr = know(&said, "/shop/pods/web");
	assert_int_equal(attr.mtime, 5 * WORLD_SECOND);
	assert_int_equal(know(&said, "/shop/pods/web/events").mtime, 5 * WORLD_SECOND);
	/* Once more the same pod, then a later one of that name. */
	assert_int_equal(
		kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("web"), 5 * WORLD_SECOND), 0);
	assert_said(&said, "");
	assert_int_equal(
		kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("web"), 9 * WORLD_SECOND), 0);
	assert_said(&said, "attr /shop/pods/web\nattr /shop/pods/web/events\n");
	assert_int_equal(world_attr(world, "/shop/pods/web").mtime, 9 * WORLD_SECOND);
	/* Its first event, and the end of that: the pod stays. */
	world_live(world, "shop", "web", "a");
	assert_said(&said, "attr /shop/pods/web\n"
			   "entry /shop/pods/web/events a\n"
			   "listing /shop/pods/web/events\n");
	assert_true(world_attr(world, "/shop/pods/web/events").mtime > 9 * WORLD_SECOND);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	assert_said(&said, "entry /shop/pods/web/events a\n"
			   "listing /shop/pods/web/events\n");
	assert_lists(world, "/shop/pods", "web\n");
	kev_store_delete_pod(world->store, KEV_STR("shop"), KEV_STR("web"));
	assert_said(&said, "entry / shop\n"
			   "entry /shop/pods/web events\n"
			   "listing /\n"
			   "listing /shop/pods/web\n");
	said_fini(&said);
	assert_int_equal(world->tree->namespaces.members.count, 0);
}

static void test_apply_pod_ends_before_its_events(void **state)
{
	struct world *world = *state;
	struct said said;

	said_init(&said, world);
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("shop"), KEV_STR("web"), WORLD_SECOND), 0);
	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	know(&said, "/shop");
	know(&said, "/shop/pods");
	kev_store_delete_pod(world->store, KEV_STR("shop"), KEV_STR("web"));
	assert_said(&said, "");
	assert_lists(world, "/shop/pods/web/events", "a\n");
	kev_store_delete_pod(world->store, KEV_STR("shop"), KEV_STR("nobody"));
	kev_store_delete_pod(world->store, KEV_STR("nowhere"), KEV_STR("web"));
	assert_said(&said, "");
	said_fini(&said);
}

static void test_apply_namespace(void **state)
{
	struct world *world = *state;
	struct said said;

	said_init(&said, world);
	world_carry(world, NULL, NULL);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("shop"), WORLD_SECOND), 0);
	assert_said(&said, "entry / shop\nlisting /\n");
	assert_int_equal(know(&said, "/shop").mtime, world->now);
	assert_int_equal(know(&said, "/shop/events").mtime, world->now);
	assert_int_equal(world_attr(world, "/.kevfs/namespaces/shop/events").mtime, world->now);
	kev_store_delete_namespace(world->store, KEV_STR("shop"));
	assert_said(&said, "entry / shop\n"
			   "entry /shop by-node\n"
			   "entry /shop by-reason\n"
			   "entry /shop by-type\n"
			   "entry /shop events\n"
			   "listing /\n"
			   "listing /shop\n");
	said_fini(&said);
	assert_int_equal(world->tree->namespaces.members.count, 0);
}

static void test_apply_times_live(void **state)
{
	struct world *world = *state;
	int64_t root, shop, pods, events, all, object;
	struct kev_event *event;

	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	root = world_attr(world, "/").mtime;
	shop = world_attr(world, "/shop").mtime;
	pods = world_attr(world, "/shop/pods").mtime;
	events = world_attr(world, "/shop/pods/web/events").mtime;
	all = world_attr(world, "/.kevfs/namespaces/shop/events").mtime;
	object = world_attr(world, "/shop/pods/web").mtime;
	/* The clock stands still: what changes grows all the same, what does not stays. */
	event = world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/shop/pods/web").mtime, kev_event_ctime(event));
	assert_true(kev_event_ctime(event) > object);
	assert_int_equal(world_attr(world, "/shop/pods/web/events").mtime, events);
	assert_int_equal(world_attr(world, "/.kevfs/namespaces/shop/events").mtime, all);
	world_live(world, "shop", "web", "b");
	world_carry(world, NULL, NULL);
	assert_true(world_attr(world, "/shop/pods/web/events").mtime > events);
	assert_true(world_attr(world, "/.kevfs/namespaces/shop/events").mtime > all);
	assert_int_equal(world_attr(world, "/shop/pods").mtime, pods);
	world->now += 10 * WORLD_SECOND;
	world_live(world, "shop", "other", "c");
	world_carry(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/shop/pods").mtime, world->now);
	assert_int_equal(world_attr(world, "/shop/pods").ctime, world->now);
	assert_int_equal(world_attr(world, "/shop").mtime, shop);
	world->now -= 3600 * WORLD_SECOND;
	pods = world_attr(world, "/shop/pods").mtime;
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("c"));
	world_carry(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/shop/pods").mtime, pods + 1);
	assert_int_equal(world_attr(world, "/").mtime, root);
}

/* An object's time is its newest revision's, also after that is gone. */
static void test_apply_times_object(void **state)
{
	struct world *world = *state;
	struct kev_event *last;
	int64_t mtime;

	world_carry(world, NULL, NULL);
	world_live(world, "shop", "web", "a");
	world->now += WORLD_SECOND;
	last = world_live(world, "shop", "web", "b");
	mtime = kev_event_ctime(last);
	world_carry(world, NULL, NULL);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b"));
	world_carry(world, NULL, NULL);
	assert_int_equal(world_attr(world, "/shop/pods/web").mtime, mtime);
}

/* A change that a resync has seen already does nothing; neither does one from before it. */
static void test_apply_overtaken(void **state)
{
	struct world *world = *state;
	struct kev_event *one, *two, *other;
	struct kev_change changes[3];
	struct said said;
	bool resync = false;

	said_init(&said, world);
	world_carry(world, NULL, NULL);
	one = world_live(world, "shop", "web", "a");
	two = world_live(world, "shop", "web", "a");
	other = world_live(world, "shop", "web", "b");
	(void)one;
	assert_int_equal(kev_changes_take(world->changes, changes, 3, 0, &resync), 3);
	assert_int_equal(kev_tree_resync(world->tree, NULL, NULL), 0);
	know_all(&said);
	assert_int_equal(kev_tree_apply(world->tree, changes, 3, say, &said), 0);
	assert_int_equal(kev_tree_apply(world->tree, changes, 1, say, &said), 0);
	assert_int_equal(said.lines.len, 0);
	/* A deletion of an earlier revision, from before this one came. */
	assert_int_equal(kev_tree_apply(world->tree,
				 &(struct kev_change){.kind = KEV_CHANGE_EVENT, .old = changes[0].event}, 1,
				 say, &said),
		0);
	assert_int_equal(said.lines.len, 0);
	assert_lists(world, "/shop/pods/web/events", "a\nb\n");
	assert_int_equal(world_attr(world, "/shop/pods/web/events/a").ctime, kev_event_ctime(two));
	assert_int_equal(world_attr(world, "/shop/pods/web/events/b").ctime, kev_event_ctime(other));
	for (int i = 0; i < 3; i++)
		kev_change_fini(&changes[i]);
	said_fini(&said);
}

/* What the tree lost for want of memory comes back with the next change of it, or goes. */
static void test_apply_behind(void **state)
{
	struct world *world = *state;
	struct kev_change changes[3];
	bool resync = false;

	world_carry(world, NULL, NULL);
	world_live(world, "shop", "web", "a");
	world_live(world, "shop", "web", "a");
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	assert_int_equal(kev_changes_take(world->changes, changes, 3, 0, &resync), 3);
	/* Without the creation. */
	assert_int_equal(kev_tree_apply(world->tree, &changes[1], 1, NULL, NULL), 0);
	assert_lists(world, "/shop/pods/web/events", "a\n");
	assert_int_equal(kev_tree_apply(world->tree, &changes[2], 1, NULL, NULL), 0);
	assert_lists(world, "/", "");
	/* Without the update. */
	assert_int_equal(kev_tree_apply(world->tree, &changes[0], 1, NULL, NULL), 0);
	assert_int_equal(kev_tree_apply(world->tree, &changes[2], 1, NULL, NULL), 0);
	assert_lists(world, "/", "");
	assert_int_equal(kev_tree_apply(world->tree, &changes[2], 1, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		kev_change_fini(&changes[i]);
}

/* More than a batch holds arrives whole; a directory's listing is named once for all that was made before. */
static void test_apply_many(void **state)
{
	struct world *world = *state;
	const char *at, *last;
	struct said said;
	char text[64];
	int listings = 0;

	said_init(&said, world);
	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	know(&said, "/shop/pods/web/events");
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "x%04d", i);
		world_live(world, "shop", "web", text);
	}
	world_carry(world, say, &said);
	last = kev_buf_cstr(&said.lines);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "entry /shop/pods/web/events x%04d\n", i);
		last = strstr(last, text);
		assert_non_null(last);
	}
	for (at = said.lines.data; (at = strstr(at, "listing /shop/pods/web/events\n")); at++)
		listings++;
	assert_in_range(listings, 1, 200);
	said_fini(&said);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_apply_nothing_known),
		TEST(test_apply_update),
		TEST(test_apply_create),
		TEST(test_apply_create_object),
		TEST(test_apply_delete),
		TEST(test_apply_delete_last),
		TEST(test_apply_other_uid),
		TEST(test_apply_barrier),
		TEST(test_apply_move),
		TEST(test_apply_move_to_same_object),
		TEST(test_apply_pod),
		TEST(test_apply_pod_ends_before_its_events),
		TEST(test_apply_namespace),
		TEST(test_apply_times_live),
		TEST(test_apply_times_object),
		TEST(test_apply_overtaken),
		TEST(test_apply_behind),
		TEST(test_apply_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
