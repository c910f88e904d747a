/*
 * Every allocation fails once, in turn: nothing crashes or leaks, a change is whole or not at all, and the
 * resync that the caller owes makes the tree right. Linked with --wrap of the allocating functions.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/internal.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

/* The next allocation to fail is that many away; 0: none. */
static unsigned long fail_in, failed;

/* It, and all that follow until fail_in is 0. */
static bool fail_all;

static int fails(void)
{
	if (!fail_in || (fail_in > 1 || !fail_all ? --fail_in : 0))
		return 0;
	failed++;
	return 1;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

/* What the test does to one tree. Each step says 0 or -ENOMEM. */

static struct kev_change take(struct world *world)
{
	struct kev_change change = {0};
	bool resync = false;

	assert_int_equal(kev_changes_take(world->changes, &change, 1, 0, &resync), 1);
	return change;
}

/* Apply what the store has just written. */
static int apply(struct world *world, unsigned long fail)
{
	struct kev_change change = take(world);
	int r;

	fail_in = fail;
	r = kev_tree_apply(world->tree, &change, 1, NULL, NULL);
	fail_in = 0;
	kev_change_fini(&change);
	return r;
}

static const char long_name[] = "a/long/name/that/is/escaped/and/cut/"
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				"xxxxxxxxxxxxxxxxxxxxxxxxxxxx";

static const struct world_event events[] = {
	{.name = KEV_STR("a")},
	{.name = KEV_STR("b/c")},
	{.name = {long_name, sizeof(long_name) - 1}, .object = {long_name, sizeof(long_name) - 1}},
	{.name = KEV_STR("d"), .namespace_ = KEV_STR("events.x")},
	{.name = KEV_STR("a"),
		.object = KEV_STR("moved:to"),
		.kind = KEV_STR("Gizmo"),
		.api_version = KEV_STR("x.y/v1")},
	{.name = KEV_STR("b/c"),
		.uid = KEV_STR("other"),
		.type = KEV_STR("Warning"),
		.reason = {long_name, sizeof(long_name) - 1},
		.host = KEV_STR("node-1")},
	{.name = KEV_STR("1")},
	{.name = KEV_STR("2")},
	{.name = KEV_STR("3")},
	{.name = KEV_STR("4")},
	{.name = KEV_STR("5")},
	{.name = KEV_STR("6")},
	{.name = KEV_STR("7")},
	{.name = KEV_STR("8")},
	{.name = KEV_STR("9"), .kind = KEV_STR("Node")},
};

#define EVENTS (sizeof(events) / sizeof(events[0]))

enum {
	STEP_POD = EVENTS,
	STEP_NAMESPACE,
	STEP_DELETE,
	STEP_PERMIT,
	STEP_PERMIT_NEW,
	STEP_RESTRICT,
	STEP_END_POD,
	STEPS
};

static void write_step(struct world *world, size_t step)
{
	if (step < EVENTS)
		world_put(world, &events[step], KEV_ORIGIN_LIVE);
	else if (step == STEP_POD)
		assert_int_equal(kev_store_put_pod(world->store, KEV_STR("quiet"), KEV_STR("x:y"), 0), 0);
	else if (step == STEP_NAMESPACE)
		assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("empty"), 0), 0);
	else if (step == STEP_DELETE)
		kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b/c"));
	else if (step == STEP_PERMIT || step == STEP_PERMIT_NEW)
		assert_int_equal(kev_store_permit(world->store,
					 step == STEP_PERMIT ? KEV_STR("shop") : KEV_STR("new"), true),
			0);
	else if (step == STEP_RESTRICT)
		kev_store_restrict(world->store, true);
	else
		kev_store_delete_pod(world->store, KEV_STR("quiet"), KEV_STR("x:y"));
}

static struct world *make_synced_world(void)
{
	struct world *world = world_create();

	world_carry(world, NULL, NULL);
	return world;
}

#define VIEWS "/.kevfs/namespaces/shop/by-"

/* Let the views be in use, so that they are kept true. */
static void hold_views(struct world *world, uint64_t nodes[3])
{
	static const char *const paths[] = {VIEWS "type", VIEWS "reason", VIEWS "node"};

	for (size_t i = 0; i < 3; i++) {
		nodes[i] = world_find(world, paths[i]).node;
		free(world_list(world, paths[i]));
	}
}

/* All steps, of which one has its n-th allocation fail. @return it had so many */
static bool run_apply(size_t failing, unsigned long n)
{
	struct world *world = make_synced_world();
	struct kev_tree_usage before, after;
	uint64_t views[3];
	char *list;
	bool reached;

	failed = 0;
	for (size_t step = 0; step < STEPS; step++) {
		kev_tree_usage(world->tree, &before);
		write_step(world, step);
		if (apply(world, step == failing ? n : 0)) {
			/* All or nothing; then it comes by the resync. */
			assert_int_equal(failed, 1);
			kev_tree_usage(world->tree, &after);
			assert_int_equal(after.bytes, before.bytes);
			assert_int_equal(after.nodes, before.nodes);
			assert_int_equal(kev_tree_resync(world->tree, NULL, NULL), 0);
		}
		if (step == 0)
			hold_views(world, views);
	}
	reached = failed;
	list = world_list(world, "/shop");
	assert_string_equal(list, "Gizmo.x.y\n" WORLD_LINKS "nodes\npods\n");
	free(list);
	assert_lists(world, "/", "%65vents.x\nempty\nshop\n");
	assert_lists(world, "/shop/pods/web/events", "1\n2\n3\n4\n5\n6\n7\n8\n");
	assert_lists(world, "/shop/Gizmo.x.y/moved%3Ato/events", "a\n");
	/* What was in the Warning group, and from node-1, is deleted. */
	assert_lists(world, VIEWS "type", "Normal\n");
	assert_lists(world, VIEWS "node", "web\n");
	assert_lists(world, VIEWS "node/web", "9\n");
	assert_lists(world, VIEWS "reason", "Tested\n");
	for (size_t i = 0; i < 3; i++)
		world_forget(world, views[i]);
	assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
	world_destroy(world);
	return reached;
}

static void test_apply_fails(void **state)
{
	unsigned long total = 0;

	(void)state;
	for (size_t step = 0; step < STEPS; step++) {
		unsigned long n = 1;

		while (run_apply(step, n))
			n++;
		total += n - 1;
	}
	assert_true(total > 50);
}

static void test_resync_fails(void **state)
{
	unsigned long n = 0;

	(void)state;
	do {
		struct world *world = world_create();
		int r;

		for (size_t step = 0; step < STEPS; step++)
			write_step(world, step);
		failed = 0;
		fail_in = ++n;
		r = kev_tree_resync(world->tree, NULL, NULL);
		fail_in = 0;
		/* Some can do without: a table that could be smaller. */
		assert_true(r == 0 || (r == -ENOMEM && failed));
		assert_int_equal(kev_tree_resync(world->tree, NULL, NULL), 0);
		assert_lists(world, "/", "%65vents.x\nempty\nshop\n");
		assert_lists(world, "/shop/pods/web/events", "1\n2\n3\n4\n5\n6\n7\n8\n");
		world_destroy(world);
	} while (failed);
	assert_true(n > 50);
}

static void test_create_fails(void **state)
{
	struct world *world = world_create();
	unsigned long n = 0;

	(void)state;
	do {
		struct kev_tree *tree;

		failed = 0;
		fail_in = ++n;
		tree = kev_tree_create(&world->clock, world->store);
		fail_in = 0;
		assert_true(!tree == (failed != 0));
		kev_tree_destroy(tree);
	} while (failed);
	assert_true(n > 5);
	world_destroy(world);
}

struct given {
	uint64_t nodes[100];
	size_t count;
};

static int give(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	struct given *given = context;

	(void)name;
	(void)next;
	if (entry->node)
		given->nodes[given->count++] = entry->node;
	return 0;
}

/* The kernel's questions: a lookup, then a listing, of everything below pods. */
static int ask(struct world *world, uint64_t node, uint64_t other)
{
	struct kev_entry entry = {.node = 4711};
	struct given given = {.count = 0};
	struct kev_buf target;
	int r = kev_tree_lookup(world->tree, node, KEV_STR("b%2Fc"), &entry);

	if (r)
		assert_int_equal(entry.node, 4711);
	else if (entry.node)
		world_forget(world, entry.node);
	if (!r)
		r = kev_tree_readdir(world->tree, node, 0, true, give, &given);
	for (size_t i = 0; i < given.count; i++)
		world_forget(world, given.nodes[i]);
	kev_buf_init(&target, 1000);
	if (!r)
		r = kev_tree_readlink(world->tree, other, &target);
	kev_buf_fini(&target);
	return r;
}

static int no_forget(void *context, struct kev_str name, const struct kev_entry *entry, uint64_t next)
{
	(void)context;
	(void)name;
	(void)entry;
	(void)next;
	return 1;
}

static void test_lookup_and_readdir_fail(void **state)
{
	unsigned long n = 0;

	(void)state;
	do {
		struct world *world = make_synced_world();
		struct kev_entry events_entry, view, link;
		int r;

		for (size_t step = 0; step < EVENTS; step++) {
			write_step(world, step);
			assert_int_equal(apply(world, 0), 0);
		}
		events_entry = world_find(world, "/.kevfs/namespaces/shop/events");
		view = world_find(world, VIEWS "reason");
		link = world_find(world, "/shop/by-reason");
		failed = 0;
		fail_in = ++n;
		r = ask(world, events_entry.node, link.node);
		if (!r)
			r = ask(world, view.node, link.node);
		fail_in = 0;
		assert_int_equal(r, failed ? -ENOMEM : 0);
		assert_int_equal(
			kev_tree_readdir(world->tree, events_entry.node, 0, true, no_forget, NULL), 0);
		world_forget(world, events_entry.node);
		world_forget(world, view.node);
		world_forget(world, link.node);
		assert_int_equal(kev_inodes_count(world->tree->inodes), 1);
		world_destroy(world);
	} while (failed);
	assert_true(n > 5);
}

static char *read_path(struct world *world, const char *path, unsigned long fail, int *r)
{
	struct kev_entry entry = world_find(world, path);
	char *text = calloc(1, entry.attr.size + 1);
	size_t got = 0;

	assert_non_null(text);
	failed = 0;
	fail_in = fail;
	*r = kev_tree_read(world->tree, entry.node, 0, text, entry.attr.size, &got);
	fail_in = 0;
	if (*r == 0)
		assert_int_equal(got, entry.attr.size);
	world_forget(world, entry.node);
	return text;
}

static char *read_log(struct world *world, unsigned long fail, int *r)
{
	return read_path(world, "/.kevfs/events.log", fail, r);
}

static size_t count_lines(struct world *world)
{
	size_t count = 0;
	int r;
	char *text = read_log(world, 0, &r);

	assert_int_equal(r, 0);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		count++;
	free(text);
	return count;
}

/* A line that is not there comes behind the resync, once. @return it had so many allocations */
static bool run_logs(size_t failing, unsigned long n)
{
	struct world *world = world_create();
	size_t lines = 0;
	bool reached = false;

	world_enable_logs(world, 1 << 20);
	world_carry(world, NULL, NULL);
	for (size_t step = 0; step < STEPS; step++) {
		int r;

		write_step(world, step);
		failed = 0;
		r = apply(world, step == failing ? n : 0);
		reached |= failed != 0;
		if (r)
			world_follow(world, NULL, NULL);
		if (step < EVENTS)
			assert_int_equal(count_lines(world), lines + 1);
		lines = count_lines(world);
	}
	assert_int_equal(lines, EVENTS);
	assert_int_equal(kev_meter_get(kev_store_meter(world->store), KEV_METER_LOG_MISSING), 0);
	world_destroy(world);
	return reached;
}

static void test_logs_fail(void **state)
{
	unsigned long total = 0;

	(void)state;
	for (size_t step = 0; step < STEPS; step++) {
		unsigned long n = 1;

		while (run_logs(step, n))
			n++;
		total += n - 1;
	}
	assert_true(total > 100);
}

/* Three events, of which the first finds no memory: for one allocation, or for any from that on. @return as
 * above */
static bool run_logs_in_order(bool all, unsigned long n)
{
	struct world *world = world_create();
	static const char *const messages[] = {"first", "second", "third"};
	struct kev_change changes[KEV_ARRAY_LEN(messages)];
	const char *at;
	uint64_t missing = 0;
	size_t in_order = 0;
	bool reached;
	char *text;
	int r;

	world_enable_logs(world, 1 << 20);
	world_carry(world, NULL, NULL);
	for (size_t i = 0; i < KEV_ARRAY_LEN(changes); i++) {
		world_put(world, &(struct world_event){.message = kev_str_c(messages[i])}, KEV_ORIGIN_LIVE);
		changes[i] = take(world);
	}
	failed = 0;
	fail_in = n;
	fail_all = all;
	r = kev_tree_apply(world->tree, changes, KEV_ARRAY_LEN(changes), NULL, NULL);
	fail_in = 0;
	fail_all = false;
	reached = failed;
	for (size_t i = 0; i < KEV_ARRAY_LEN(changes); i++)
		kev_change_fini(&changes[i]);
	if (r)
		assert_int_equal(kev_tree_follow(world->tree, world->changes, &missing, NULL, NULL), 0);
	assert_int_equal(count_lines(world) + missing, KEV_ARRAY_LEN(changes));
	assert_int_equal(kev_meter_get(kev_store_meter(world->store), KEV_METER_LOG_MISSING), missing);
	assert_true(all || !missing);
	at = text = read_log(world, 0, &r);
	for (size_t i = 0; i < KEV_ARRAY_LEN(messages); i++) {
		const char *found = strstr(at, messages[i]);

		in_order += found ? 1 : 0;
		at = found ? found : at;
	}
	assert_int_equal(in_order + missing, KEV_ARRAY_LEN(messages));
	free(text);
	/* Said once. */
	assert_int_equal(kev_tree_follow(world->tree, world->changes, &missing, NULL, NULL), 0);
	assert_int_equal(missing, 0);
	world_destroy(world);
	return reached;
}

static void test_logs_in_order(void **state)
{
	(void)state;
	for (int all = 0; all < 2; all++) {
		unsigned long n = 1;

		while (run_logs_in_order(all, n))
			n++;
		assert_true(n > 5);
	}
}

/* An object's log that is implied is made before the first change: or the change waits, and its line. @return
 * as above */
static bool run_implied(unsigned long n)
{
	static const char *const messages[] = {"first", "second", "third"};
	struct world *world = world_create();
	bool reached;
	char *text;
	int r;

	world_enable_logs(world, 1 << 20);
	for (int i = 0; i < 2; i++)
		world_put(world,
			&(struct world_event){.name = kev_str_c(messages[i]),
				.message = kev_str_c(messages[i]),
				.last_seen = WORLD_NOW / WORLD_SECOND - 9 + i},
			KEV_ORIGIN_FIRST_SYNC);
	world_carry(world, NULL, NULL);
	world_put(world, &(struct world_event){.name = KEV_STR("first"), .message = KEV_STR("third")},
		KEV_ORIGIN_LIVE);
	failed = 0;
	r = apply(world, n);
	reached = failed != 0;
	if (r)
		world_follow(world, NULL, NULL);
	text = read_path(world, "/shop/pods/web/.kevfs/events.log", 0, &r);
	assert_int_equal(r, 0);
	for (size_t i = 0, at = 0; i < KEV_ARRAY_LEN(messages); i++) {
		const char *found = strstr(text + at, messages[i]);

		if (!found)
			fail_msg("allocation %lu: %s is not in its place in %s", n, messages[i], text);
		at = (size_t)(found - text) + 1;
	}
	free(text);
	world_destroy(world);
	return reached;
}

static void test_implied_log_fails(void **state)
{
	unsigned long n = 1;

	(void)state;
	while (run_implied(n))
		n++;
	assert_true(n > 3);
}

/* The first sync's lines, without the memory for some. */
static void test_follow_fails(void **state)
{
	unsigned long n = 0, hit;

	(void)state;
	do {
		struct world *world = world_create();
		uint64_t missing = 0;
		int r;

		world_enable_logs(world, 1 << 20);
		for (size_t step = 0; step < STEPS; step++)
			write_step(world, step);
		failed = 0;
		fail_in = ++n;
		r = kev_tree_follow(world->tree, world->changes, &missing, NULL, NULL);
		fail_in = 0;
		hit = failed;
		assert_true(r == 0 || (r == -ENOMEM && hit));
		if (r)
			world_follow(world, NULL, NULL);
		/* All but the one of a namespace that may not be seen. */
		if (!missing)
			assert_int_equal(count_lines(world), EVENTS - 1);
		else
			assert_true(hit);
		world_destroy(world);
	} while (hit);
	assert_true(n > 50);
}

static void test_read_log_fails(void **state)
{
	struct world *world = world_create();
	unsigned long n = 0;
	int r;

	(void)state;
	world_enable_logs(world, 1 << 20);
	for (size_t step = 0; step < STEPS; step++)
		write_step(world, step);
	world_carry(world, NULL, NULL);
	do {
		free(read_log(world, ++n, &r));
		assert_int_equal(r, failed ? -ENOMEM : 0);
	} while (failed);
	assert_true(n > 5);
	world_destroy(world);
}

/* Each report says all or is not there. */
static void test_reports_fail(void **state)
{
	static const char *const names[] = {"status", "metrics", "version"};
	struct world *world = world_create();
	struct kev_health *health = kev_health_create(&world->clock);
	struct kev_entry control;

	(void)state;
	assert_non_null(kev_health_add(health, KEV_SCOPE_EVENTS, "shop"));
	kev_tree_set_about(world->tree, &(struct kev_tree_about){.health = health, .source = "prod"});
	world_carry(world, NULL, NULL);
	control = world_find(world, "/.kevfs");
	for (size_t i = 0; i < KEV_ARRAY_LEN(names); i++) {
		unsigned long n = 0;
		int r;

		do {
			struct kev_entry entry = {0};

			failed = 0;
			fail_in = ++n;
			r = kev_tree_lookup(world->tree, control.node, kev_str_c(names[i]), &entry);
			fail_in = 0;
			assert_int_equal(r, failed ? -ENOMEM : 0);
			if (!r)
				world_forget(world, entry.node);
		} while (failed);
		assert_true(n > 2);
	}
	world_forget(world, control.node);
	kev_health_destroy(health);
	world_destroy(world);
}

/* What is named is named at least once in the end; here only whether it fails as it should. */
static void test_refresh_fails(void **state)
{
	struct world *world = world_create();
	struct kev_entry directory, gone;
	unsigned long n = 0;
	int r;

	(void)state;
	for (size_t step = 0; step < EVENTS; step++)
		write_step(world, step);
	world_carry(world, NULL, NULL);
	directory = world_find(world, "/.kevfs/namespaces/shop/events");
	gone = world_find(world, "/.kevfs/namespaces/shop/events/b%2Fc");
	assert_int_not_equal(gone.node, 0);
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("b/c"));
	world_carry(world, NULL, NULL);
	do {
		failed = 0;
		fail_in = ++n;
		r = kev_tree_refresh(world->tree, directory.node, NULL, NULL);
		fail_in = 0;
		assert_int_equal(r, failed ? -ENOMEM : 0);
	} while (failed);
	assert_true(n > 1);
	world_forget(world, directory.node);
	world_forget(world, gone.node);
	world_destroy(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_fails),
		cmocka_unit_test(test_apply_fails),
		cmocka_unit_test(test_resync_fails),
		cmocka_unit_test(test_lookup_and_readdir_fail),
		cmocka_unit_test(test_logs_fail),
		cmocka_unit_test(test_logs_in_order),
		cmocka_unit_test(test_implied_log_fails),
		cmocka_unit_test(test_follow_fails),
		cmocka_unit_test(test_read_log_fails),
		cmocka_unit_test(test_reports_fail),
		cmocka_unit_test(test_refresh_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
