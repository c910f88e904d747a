#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kevfs/base/defs.h"
#include "kevfs/tree/internal.h"

/* How often a lock was given back. */
static unsigned unlocked;

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex); // NOLINT(bugprone-reserved-identifier)
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex); // NOLINT(bugprone-reserved-identifier)
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	unlocked++;
	return __real_pthread_mutex_unlock(mutex);
}

/* What was said of one node. */
struct told {
	uint64_t node;
	unsigned listings, others;
	bool listing_last;
	struct kev_buf names; /* each between newlines */
};

static void told_init(struct told *told, uint64_t node)
{
	*told = (struct told){.node = node};
	kev_buf_init(&told->names, 1 << 20);
	kev_buf_append_char(&told->names, '\n');
}

static void tell(void *context, const struct kev_stale *stale)
{
	struct told *told = context;

	if (strcmp(stale->name, KEV_STALE_BARRIER) == 0)
		return;
	told->others += stale->node != told->node;
	if (stale->node != told->node)
		return;
	told->listings += stale->kind == KEV_STALE_LISTING;
	told->listing_last = stale->kind == KEV_STALE_LISTING;
	if (stale->kind == KEV_STALE_ENTRY)
		kev_buf_printf(&told->names, "%s\n", stale->name);
}

static unsigned count_told(const struct told *told, const char *name)
{
	char line[300];
	unsigned count = 0;

	snprintf(line, sizeof(line), "\n%s\n", name);
	for (const char *at = told->names.data; (at = strstr(at, line)); at++)
		count++;
	return count;
}

static void refresh(struct world *world, struct told *told, uint64_t node)
{
	told_init(told, node);
	assert_int_equal(kev_tree_refresh(world->tree, node, tell, told), 0);
	assert_non_null(kev_buf_cstr(&told->names));
	assert_int_equal(told->others, 0);
}

/* What is there, and what the kernel knows from before: a name that is no more, of one that was held open. */
static void test_events(void **state)
{
	struct world *world = *state;
	struct kev_entry directory, flat, gone, there, elsewhere;
	struct told told;

	world_live(world, "shop", "web", "gone");
	world_live(world, "shop", "web", "there");
	world_live(world, "shop", "db", "of-db");
	world_live(world, "other", "web", "elsewhere");
	world_carry(world, NULL, NULL);
	directory = world_find(world, "/shop/pods/web/events");
	flat = world_find(world, "/.kevfs/namespaces/shop/events");
	gone = world_find(world, "/shop/pods/web/events/gone");
	there = world_find(world, "/shop/pods/web/events/there");
	elsewhere = world_find(world, "/other/pods/web/events/elsewhere");
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("gone"));
	kev_store_delete(world->store, KEV_STR("other"), KEV_STR("elsewhere"));
	world_live(world, "shop", "web", "new");
	world_carry(world, NULL, NULL);

	refresh(world, &told, directory.node);
	assert_int_equal(count_told(&told, "gone"), 1);
	assert_int_equal(count_told(&told, "there"), 1);
	assert_int_equal(count_told(&told, "new"), 1);
	assert_int_equal(count_told(&told, "of-db"), 0);
	assert_int_equal(count_told(&told, "elsewhere"), 0);
	assert_int_equal(told.listings, 1);
	assert_true(told.listing_last);
	kev_buf_fini(&told.names);
	refresh(world, &told, flat.node);
	assert_int_equal(count_told(&told, "gone"), 1);
	assert_int_equal(count_told(&told, "of-db"), 1);
	assert_int_equal(count_told(&told, "elsewhere"), 0);
	kev_buf_fini(&told.names);
	world_forget(world, directory.node);
	world_forget(world, flat.node);
	world_forget(world, gone.node);
	world_forget(world, there.node);
	world_forget(world, elsewhere.node);
}

/* A directory in it that the kernel knows and that is there no more, and what it has by its role. */
static void test_directories(void **state)
{
	struct world *world = *state;
	struct kev_entry pods, namespace_, gone;
	struct told told;

	world_live(world, "shop", "web", "a");
	world_live(world, "shop", "db", "b");
	world_carry(world, NULL, NULL);
	namespace_ = world_find(world, "/shop");
	pods = world_find(world, "/shop/pods");
	gone = world_find(world, "/shop/pods/web");
	kev_store_delete(world->store, KEV_STR("shop"), KEV_STR("a"));
	world_carry(world, NULL, NULL);
	assert_false(world_has(world, "/shop/pods/web"));

	refresh(world, &told, pods.node);
	assert_true(count_told(&told, "web") >= 1);
	assert_true(count_told(&told, "db") >= 1);
	assert_int_equal(told.listings, 1);
	kev_buf_fini(&told.names);
	refresh(world, &told, namespace_.node);
	assert_int_equal(count_told(&told, "pods"), 1);
	assert_int_equal(count_told(&told, "events"), 1);
	assert_int_equal(count_told(&told, "by-node"), 1);
	kev_buf_fini(&told.names);
	refresh(world, &told, KEV_TREE_ROOT);
	assert_int_equal(count_told(&told, "shop"), 1);
	assert_int_equal(count_told(&told, ".kevfs"), 1);
	kev_buf_fini(&told.names);
	world_forget(world, namespace_.node);
	world_forget(world, pods.node);
	world_forget(world, gone.node);
}

/* More than fits into one batch, each once, in the lock's pauses. */
static void test_many(void **state)
{
	enum { COUNT = 1000 };
	struct world *world = *state;
	struct kev_entry directory, known[COUNT];
	struct told told;
	char name[64];

	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "old-%d", i);
		world_live(world, "shop", "web", name);
	}
	world_live(world, "shop", "web", "stays");
	world_carry(world, NULL, NULL);
	directory = world_find(world, "/shop/pods/web/events");
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "/shop/pods/web/events/old-%d", i);
		known[i] = world_find(world, name);
	}
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "old-%d", i);
		kev_store_delete(world->store, KEV_STR("shop"), kev_str_c(name));
		snprintf(name, sizeof(name), "new-%d", i);
		world_live(world, "shop", "web", name);
	}
	world_carry(world, NULL, NULL);

	refresh(world, &told, directory.node);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "old-%d", i);
		assert_int_equal(count_told(&told, name), 1);
		snprintf(name, sizeof(name), "new-%d", i);
		assert_int_equal(count_told(&told, name), 1);
	}
	assert_int_equal(count_told(&told, "stays"), 1);
	assert_int_equal(told.listings, 1);
	kev_buf_fini(&told.names);
	world_forget(world, directory.node);
	for (int i = 0; i < COUNT; i++)
		world_forget(world, known[i].node);
}

enum { KNOWN = 4000 };

/* The kernel knows many files of a directory, and none of them is there any more. */
struct known {
	struct world *world;
	struct kev_entry directory;
	uint64_t nodes[KNOWN];
	bool forget; /* every other one, meanwhile */
	size_t at;
	struct told told;
};

static void know_many(struct world *world, struct known *known)
{
	char name[64];

	*known = (struct known){.world = world};
	for (int i = 0; i < KNOWN; i++) {
		snprintf(name, sizeof(name), "old-%d", i);
		world_live(world, "shop", "web", name);
	}
	world_carry(world, NULL, NULL);
	known->directory = world_find(world, "/shop/pods/web/events");
	for (int i = 0; i < KNOWN; i++) {
		snprintf(name, sizeof(name), "/shop/pods/web/events/old-%d", i);
		known->nodes[i] = world_find(world, name).node;
		kev_store_delete(
			world->store, KEV_STR("shop"), kev_str_c(name + strlen("/shop/pods/web/events/")));
	}
	world_carry(world, NULL, NULL);
}

static void forget_known(struct known *known)
{
	for (size_t i = 0; i < KNOWN; i++)
		world_forget(known->world, known->nodes[i]);
	world_forget(known->world, known->directory.node);
	kev_buf_fini(&known->told.names);
}

/* Others go on: every other file is forgotten, and something else is looked up. */
static void tell_and_forget(void *context, const struct kev_stale *stale)
{
	struct known *known = context;

	tell(&known->told, stale);
	for (int i = 0; i < 20 && known->forget && known->at < KNOWN; i++, known->at += 2) {
		world_forget(known->world, known->nodes[known->at]);
		known->nodes[known->at] = 0;
	}
	world_forget(known->world, world_find(known->world, "/.kevfs/namespaces").node);
}

/* Whoever wants an answer has it in between; what is known all the time is named. */
static void test_the_lock_is_let_go(void **state)
{
	struct known *known = malloc(sizeof(*known));
	char name[64];

	assert_non_null(known);
	know_many(*state, known);
	world_live(known->world, "other", "web", "a");
	world_carry(known->world, NULL, NULL);
	known->forget = true;
	told_init(&known->told, known->directory.node);
	unlocked = 0;
	assert_int_equal(
		kev_tree_refresh(known->world->tree, known->directory.node, tell_and_forget, known), 0);
	assert_non_null(kev_buf_cstr(&known->told.names));
	for (int i = 1; i < KNOWN; i += 2) {
		snprintf(name, sizeof(name), "old-%d", i);
		assert_true(count_told(&known->told, name) >= 1);
	}
	forget_known(known);
	/* The same where nothing is told: what the kernel knows is all elsewhere. */
	know_many(*state, known);
	known->told = (struct told){0};
	unlocked = 0;
	refresh(known->world, &known->told, world_find(known->world, "/other/pods/web/events").node);
	assert_true(unlocked > KNOWN / 256);
	assert_int_equal(known->told.listings, 1);
	world_forget(known->world, known->told.node);
	forget_known(known);
	free(known);
}

static void test_the_end(void **state)
{
	struct known *known = malloc(sizeof(*known));

	assert_non_null(known);
	know_many(*state, known);
	told_init(&known->told, known->directory.node);
	kev_tree_give_up(known->world->tree);
	assert_int_equal(
		kev_tree_refresh(known->world->tree, known->directory.node, tell, &known->told), -ECANCELED);
	assert_int_equal(known->told.listings, 0);
	assert_int_equal(kev_tree_resync(known->world->tree, tell, &known->told), 0);
	world_live(known->world, "other", "web", "a");
	assert_int_equal(kev_tree_resync(known->world->tree, tell, &known->told), -ECANCELED);
	assert_false(world_has(known->world, "/other"));
	forget_known(known);
	free(known);
}

static void test_nobody(void **state)
{
	struct world *world = *state;
	struct kev_entry file;
	struct told told;

	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	file = world_find(world, "/shop/pods/web/events/a");
	refresh(world, &told, 99999);
	assert_int_equal(told.names.len, 1);
	assert_int_equal(told.listings, 0);
	kev_buf_fini(&told.names);
	refresh(world, &told, file.node);
	assert_int_equal(told.names.len, 1);
	kev_buf_fini(&told.names);
	world_forget(world, file.node);
}

static void test_path(void **state)
{
	static const char *const paths[] = {
		"/shop/pods/web/events", "/.kevfs/namespaces/shop/events", "/shop/events"};
	struct world *world = *state;
	struct kev_entry file;
	struct kev_buf path;

	kev_buf_init(&path, 4096);
	world_live(world, "shop", "web", "a");
	world_carry(world, NULL, NULL);
	for (size_t i = 0; i < KEV_ARRAY_LEN(paths); i++) {
		struct kev_entry entry = world_find(world, paths[i]);

		kev_buf_clear(&path);
		assert_int_equal(kev_tree_path(world->tree, entry.node, &path), 0);
		assert_str_equal(kev_buf_str(&path), kev_str_c(paths[i]));
		world_forget(world, entry.node);
	}
	kev_buf_clear(&path);
	assert_int_equal(kev_tree_path(world->tree, KEV_TREE_ROOT, &path), 0);
	assert_str_equal(kev_buf_str(&path), KEV_STR("/"));
	kev_buf_clear(&path);
	file = world_find(world, "/shop/pods/web/events/a");
	assert_int_equal(kev_tree_path(world->tree, file.node, &path), 0);
	assert_int_equal(kev_tree_path(world->tree, 99999, &path), 0);
	assert_int_equal(path.len, 0);
	kev_buf_fini(&path);
	world_forget(world, file.node);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_events),
		TEST(test_directories),
		TEST(test_many),
		TEST(test_the_lock_is_let_go),
		TEST(test_the_end),
		TEST(test_nobody),
		TEST(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
