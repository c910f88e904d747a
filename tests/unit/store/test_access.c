#include "sample.h"

#include <errno.h>

/* The changes of what may be seen, as text: "+a -all", and how many others there are. */
static const char *changes(struct world *world)
{
	static char text[1024];
	struct kev_change c;
	bool resync = false;
	size_t len = 0;

	text[0] = '\0';
	while (kev_changes_take(world->changes, &c, 1, 0, &resync)) {
		if (c.kind == KEV_CHANGE_ACCESS)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s", len ? " " : "",
				c.present ? "+" : "-", c.name ? c.name : "all");
		kev_change_fini(&c);
	}
	assert_false(resync);
	return text;
}

static void permit(struct world *world, const char *name, bool permitted)
{
	assert_int_equal(kev_store_permit(world->store, kev_str_c(name), permitted), 0);
}

static bool seen(struct world *world, const char *name)
{
	return kev_store_is_permitted(world->store, kev_str_c(name));
}

static void test_restrict(void **state)
{
	struct world *world = *state;

	assert_true(seen(world, "a"));
	kev_store_restrict(world->store, false);
	assert_string_equal(changes(world), "");
	permit(world, "a", true);
	permit(world, "a", true);
	assert_string_equal(changes(world), "+a");
	assert_true(seen(world, "b"));
	kev_store_restrict(world->store, true);
	kev_store_restrict(world->store, true);
	assert_string_equal(changes(world), "-all");
	assert_true(seen(world, "a"));
	assert_false(seen(world, "b"));
	permit(world, "b", true);
	permit(world, "a", false);
	permit(world, "a", false);
	assert_string_equal(changes(world), "+b -a");
	assert_true(seen(world, "b"));
	assert_false(seen(world, "a"));
	/* As often as the journal said so. */
	assert_int_equal(kev_store_access_changes(world->store), 4);
	assert_true(kev_store_is_restricted(world->store));
	/* Names count anew each time. */
	kev_store_restrict(world->store, false);
	kev_store_restrict(world->store, true);
	assert_string_equal(changes(world), "+all -all");
	assert_false(seen(world, "b"));
}

/* Who follows must hear of it, although all may be seen anyway. */
static void test_restrict_forgets_names(void **state)
{
	struct world *world = *state;

	permit(world, "a", true);
	kev_store_restrict(world->store, false);
	assert_string_equal(changes(world), "+a +all");
	kev_store_restrict(world->store, true);
	assert_false(seen(world, "a"));
}

static void test_permit_refuses(void **state)
{
	struct world *world = *state;
	char longest[KEV_STORE_NAME_MAX + 1];

	memset(longest, 'x', sizeof(longest));
	assert_int_equal(kev_store_permit(world->store, KEV_STR(""), true), -EINVAL);
	assert_int_equal(kev_store_permit(world->store, KEV_STR("a\0b"), true), -EINVAL);
	assert_int_equal(
		kev_store_permit(world->store, (struct kev_str){longest, sizeof(longest)}, true), -EINVAL);
	assert_string_equal(changes(world), "");
}

/* In any number. */
static void test_permit_many(void **state)
{
	struct world *world = *state;
	char name[16];

	kev_store_restrict(world->store, true);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		permit(world, name, true);
	}
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_true(seen(world, name));
		if (i % 2)
			permit(world, name, false);
	}
	assert_true(seen(world, "n0"));
	assert_false(seen(world, "n1"));
}

struct walked {
	char text[256];
	int stop_at, calls;
};

static int note(struct walked *walked, const char *text)
{
	size_t len = strlen(walked->text);

	snprintf(walked->text + len, sizeof(walked->text) - len, "%s ", text);
	return ++walked->calls == walked->stop_at ? 77 : 0;
}

static int visit_restricted(void *context, bool restricted)
{
	return note(context, restricted ? "restricted" : "free");
}

static int visit_permitted(void *context, struct kev_str name)
{
	assert_true(kev_str_eq(name, KEV_STR("a")));
	return note(context, "a");
}

static int visit_namespace(void *context, struct kev_str name, int64_t created)
{
	(void)name, (void)created;
	return note(context, "namespace");
}

static void test_walk(void **state)
{
	struct world *world = *state;
	struct walked walked = {.stop_at = 0};
	const struct kev_store_visitor visitor = {.restricted = visit_restricted,
		.permitted = visit_permitted,
		.namespace_ = visit_namespace,
		.context = &walked};

	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("b"), 0), 0);
	assert_int_equal(kev_store_walk(world->store, &visitor), 0);
	assert_string_equal(walked.text, "free namespace ");
	permit(world, "a", true);
	kev_store_restrict(world->store, true);
	walked = (struct walked){.stop_at = 0};
	assert_int_equal(kev_store_walk(world->store, &visitor), 0);
	assert_string_equal(walked.text, "restricted a namespace ");
	for (int i = 1; i <= 3; i++) {
		walked = (struct walked){.stop_at = i};
		assert_int_equal(kev_store_walk(world->store, &visitor), 77);
		assert_int_equal(walked.calls, i);
	}
}

static void test_namespace_changes(void **state)
{
	struct world *world = *state;
	uint64_t before = kev_store_namespace_changes(world->store);
	uint32_t begun;

	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("a"), 0), 0);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("b"), 0), 0);
	assert_int_not_equal(kev_store_namespace_changes(world->store), before);
	before = kev_store_namespace_changes(world->store);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("a"), 0), 0);
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), KEV_STR("web"), 0), 0);
	kev_store_delete_namespace(world->store, KEV_STR("c"));
	assert_int_equal(kev_store_namespace_changes(world->store), before);
	kev_store_delete_namespace(world->store, KEV_STR("a"));
	assert_int_not_equal(kev_store_namespace_changes(world->store), before);
	before = kev_store_namespace_changes(world->store);
	begun = kev_store_relist_begin(world->store);
	kev_store_relist_end(world->store, KEV_SCOPE_NAMESPACES, KEV_STR(""), begun);
	assert_int_not_equal(kev_store_namespace_changes(world->store), before);
}

static size_t pods(struct world *world)
{
	struct kev_store_counts counts;

	kev_store_counts(world->store, &counts);
	return counts.pods;
}

/* That the list of a namespace, or (empty) of all, is complete, with a pod "web" in "a" and in "b". */
static void list_pods(struct world *world, const char *namespace_)
{
	uint32_t begun = kev_store_relist_begin(world->store);

	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), KEV_STR("web"), 0), 0);
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("b"), KEV_STR("web"), 0), 0);
	kev_store_relist_end(world->store, KEV_SCOPE_PODS, kev_str_c(namespace_), begun);
}

/* What is said of the pod of an event that the server no longer has. */
static enum kev_object_state state_of_pod(struct world *world, const char *namespace_)
{
	const struct kev_retain retain = {.count = 100};
	enum kev_object_state object = KEV_OBJECT_UNKNOWN;
	struct kev_change c;
	bool resync = false;

	kev_store_set_retain(world->store, &retain);
	put(world, event(namespace_, "e", "1", "m"), KEV_ORIGIN_LIVE);
	kev_store_delete(world->store, kev_str_c(namespace_), KEV_STR("e"));
	while (kev_changes_take(world->changes, &c, 1, 0, &resync)) {
		if (c.kind == KEV_CHANGE_GONE)
			object = c.object;
		kev_change_fini(&c);
	}
	return object;
}

static void test_forget_pods(void **state)
{
	struct world *world = *state;

	list_pods(world, "");
	assert_int_equal(pods(world), 2);
	kev_store_forget_pods(world->store, KEV_STR(""));
	assert_int_equal(pods(world), 0);
	/* It may be there or not: nobody says so any more. */
	assert_int_equal(state_of_pod(world, "a"), KEV_OBJECT_UNKNOWN);
	list_pods(world, "");
	assert_int_equal(state_of_pod(world, "a"), KEV_OBJECT_THERE);
}

static void test_forget_pods_of_a_namespace(void **state)
{
	struct world *world = *state;

	list_pods(world, "b");
	list_pods(world, "a");
	list_pods(world, "c");
	kev_store_forget_pods(world->store, KEV_STR("a"));
	assert_int_equal(pods(world), 1);
	assert_int_equal(state_of_pod(world, "a"), KEV_OBJECT_UNKNOWN);
	kev_store_delete_pod(world->store, KEV_STR("b"), KEV_STR("web"));
	assert_int_equal(state_of_pod(world, "b"), KEV_OBJECT_MISSING);
	assert_int_equal(state_of_pod(world, "c"), KEV_OBJECT_MISSING);
	kev_store_forget_pods(world->store, KEV_STR("nobody"));
	assert_int_equal(state_of_pod(world, "c"), KEV_OBJECT_MISSING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_restrict),
		TEST(test_restrict_forgets_names),
		TEST(test_permit_refuses),
		TEST(test_permit_many),
		TEST(test_walk),
		TEST(test_namespace_changes),
		TEST(test_forget_pods),
		TEST(test_forget_pods_of_a_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
