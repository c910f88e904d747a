/* What the store does with events that the server no longer has, with -o retain. */
#include "../room.h"
#include "sample.h"

static int set_up(void **state)
{
	const struct kev_retain hour = {.age = 3600 * S};

	world_set_up(state);
	kev_store_set_retain(((struct world *)*state)->store, &hour);
	return 0;
}

/* The next change as text: "+x", "x", "-x", "-x gone" (it had been), "gone x there", "back x"; "" for none */
static const char *next(struct world *world)
{
	static const char *const states[] = {"unknown", "there", "missing"};
	static char text[256];
	struct kev_change c;
	bool resync = false;
	struct kev_str name;

	if (kev_changes_take(world->changes, &c, 1, 0, &resync) == 0)
		return resync ? "resync" : "";
	if (c.kind == KEV_CHANGE_POD || c.kind == KEV_CHANGE_NAMESPACE) {
		kev_change_fini(&c);
		return next(world);
	}
	name = kev_event_name(c.event ? c.event : c.old, ROOM);
	if (c.kind == KEV_CHANGE_GONE && c.gone) {
		assert_int_equal(c.gone, kev_event_gone(c.event));
		snprintf(text, sizeof(text), "gone %.*s %s", (int)name.len, name.data, states[c.object]);
	} else if (c.kind == KEV_CHANGE_GONE) {
		assert_null(c.old);
		snprintf(text, sizeof(text), "back %.*s", (int)name.len, name.data);
	} else {
		snprintf(text, sizeof(text), "%s%.*s%s", c.old ? (c.event ? "" : "-") : "+", (int)name.len,
			name.data, c.gone ? " gone" : "");
	}
	kev_change_fini(&c);
	return text;
}

static void delete (struct world *world, const char *name)
{
	kev_store_delete(world->store, KEV_STR("a"), kev_str_c(name));
}

static struct kev_store_counts counts(struct world *world)
{
	struct kev_store_counts out;

	kev_store_counts(world->store, &out);
	return out;
}

static void test_deleted_stays_and_expires(void **state)
{
	struct world *world = *state;

	put(world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	put(world, event("a", "y", "2", "two"), KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "+x");
	assert_string_equal(next(world), "+y");
	assert_int_equal(kev_store_expire(world->store), INT64_MAX);
	delete (world, "x");
	assert_string_equal(next(world), "gone x unknown");
	/* Once is enough. */
	delete (world, "x");
	assert_string_equal(next(world), "");
	assert_int_equal(counts(world).events, 2);
	assert_int_equal(counts(world).retained, 1);
	assert_true(counts(world).retained_bytes > 0);
	world->now += 3599 * S;
	assert_int_equal(kev_store_expire(world->store), S);
	assert_string_equal(next(world), "");
	world->now += S;
	assert_int_equal(kev_store_expire(world->store), INT64_MAX);
	assert_string_equal(next(world), "-x gone");
	assert_string_equal(next(world), "");
	assert_int_equal(counts(world).events, 1);
	assert_int_equal(counts(world).retained, 0);
	assert_int_equal(counts(world).retained_bytes, 0);
	/* It comes to be again, as something new. */
	put(world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "+x");
}

static void test_relist_marks(void **state)
{
	struct world *world = *state;
	uint32_t begun;

	for (int i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "e%d", i);
		put(world, event("a", name, "1", "one"), KEV_ORIGIN_LIVE);
		next(world);
	}
	begun = kev_store_relist_begin(world->store);
	put(world, event("a", "e7", "1", "one"), KEV_ORIGIN_LIVE);
	kev_store_relist_end(world->store, KEV_SCOPE_EVENTS, KEV_STR(""), begun);
	assert_int_equal(counts(world).events, 200);
	assert_int_equal(counts(world).retained, 199);
	for (int i = 0; i < 199; i++)
		assert_memory_equal(next(world), "gone e", 6);
	assert_string_equal(next(world), "");
	/* The next list misses them no more. */
	begun = kev_store_relist_begin(world->store);
	put(world, event("a", "e7", "1", "one"), KEV_ORIGIN_LIVE);
	put(world, event("a", "e8", "1", "one"), KEV_ORIGIN_LIVE);
	kev_store_relist_end(world->store, KEV_SCOPE_EVENTS, KEV_STR(""), begun);
	assert_string_equal(next(world), "back e8");
	assert_string_equal(next(world), "");
	assert_int_equal(counts(world).retained, 198);
	/* Their marks differ by a nanosecond each, but they went at once. */
	world->now += 3600 * S - 1;
	assert_int_equal(kev_store_expire(world->store), 1);
	assert_int_equal(counts(world).events, 200);
	world->now += 1;
	assert_int_equal(kev_store_expire(world->store), INT64_MAX);
	assert_int_equal(counts(world).events, 2);
	for (int i = 0; i < 198; i++)
		assert_memory_equal(next(world), "-e", 2);
	assert_string_equal(next(world), "");
}

/* The clock is a day ahead for a moment: it went a second ago all the same. */
static void test_step_of_the_clock(void **state)
{
	struct world *world = *state;

	put(world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	delete (world, "x");
	world->now += 86401 * S;
	world->set += 86400 * S;
	assert_int_equal(kev_store_expire(world->store), 3599 * S);
	assert_int_equal(counts(world).retained, 1);
}

/* An hour is one, also of a machine that slept. */
static void test_sleep_counts(void **state)
{
	struct world *world = *state;

	put(world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	delete (world, "x");
	world->now += 3599 * S;
	world->slept += 3599 * S;
	assert_int_equal(kev_store_expire(world->store), S);
	world->now += S;
	assert_int_equal(kev_store_expire(world->store), INT64_MAX);
	assert_int_equal(counts(world).events, 0);
}

static int find_gone(void *context, struct kev_event *e)
{
	*(int64_t *)context = kev_event_gone(e);
	return 0;
}

static void test_same_revision_takes_the_mark_away(void **state)
{
	struct world *world = *state;
	int64_t gone = -1;
	const struct kev_store_visitor visitor = {.event = find_gone, .context = &gone};

	put(world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	next(world);
	delete (world, "x");
	next(world);
	assert_int_equal(kev_store_walk(world->store, &visitor), 0);
	assert_int_equal(gone, NOON);
	put(world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "back x");
	assert_int_equal(kev_store_walk(world->store, &visitor), 0);
	assert_int_equal(gone, 0);
	assert_int_equal(counts(world).retained, 0);
	/* It goes again, for a whole hour. */
	world->now += 1800 * S;
	delete (world, "x");
	assert_string_equal(next(world), "gone x unknown");
	world->now += 1800 * S;
	assert_int_equal(kev_store_expire(world->store), 1800 * S);
	assert_int_equal(counts(world).events, 1);
}

static void test_another_revision_takes_its_place(void **state)
{
	struct world *world = *state;

	put(world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	next(world);
	delete (world, "x");
	next(world);
	put(world, event("a", "x", "2", "two"), KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "x");
	assert_int_equal(counts(world).events, 1);
	assert_int_equal(counts(world).retained, 0);
	world->now += 7200 * S;
	assert_int_equal(kev_store_expire(world->store), INT64_MAX);
	assert_int_equal(counts(world).events, 1);
}

static void test_object_is_told(void **state)
{
	struct world *world = *state;
	uint32_t begun;

	for (int i = 0; i < 4; i++)
		put(world, event("a", (const char *[]){"w", "x", "y", "z"}[i], "1", "one"), KEV_ORIGIN_LIVE);
	for (int i = 0; i < 4; i++)
		next(world);
	delete (world, "w");
	assert_string_equal(next(world), "gone w unknown");
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), KEV_STR("web"), NOON), 0);
	delete (world, "x");
	assert_string_equal(next(world), "gone x there");
	kev_store_delete_pod(world->store, KEV_STR("a"), KEV_STR("web"));
	/* Another namespace's pods say nothing about this one's. */
	begun = kev_store_relist_begin(world->store);
	kev_store_relist_end(world->store, KEV_SCOPE_PODS, KEV_STR("b"), begun);
	begun = kev_store_relist_begin(world->store);
	kev_store_relist_end(world->store, KEV_SCOPE_PODS, KEV_STR("ab"), begun);
	delete (world, "y");
	assert_string_equal(next(world), "gone y unknown");
	begun = kev_store_relist_begin(world->store);
	kev_store_relist_end(world->store, KEV_SCOPE_PODS, KEV_STR("a"), begun);
	delete (world, "z");
	assert_string_equal(next(world), "gone z missing");
}

static void test_count_and_bytes(void **state)
{
	struct world *world = *state;
	struct kev_event *one = event("a", "w", "1", "one");
	const struct kev_retain two = {.count = 2}, bytes = {.bytes = kev_event_size(one)};

	kev_store_set_retain(world->store, &two);
	put(world, one, KEV_ORIGIN_LIVE);
	put(world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	put(world, event("a", "y", "1", "one"), KEV_ORIGIN_LIVE);
	for (int i = 0; i < 3; i++)
		next(world);
	delete (world, "x");
	delete (world, "w");
	delete (world, "y");
	for (int i = 0; i < 3; i++)
		assert_memory_equal(next(world), "gone", 4);
	kev_store_expire(world->store);
	assert_string_equal(next(world), "-x gone");
	assert_string_equal(next(world), "");
	kev_store_set_retain(world->store, &bytes);
	kev_store_expire(world->store);
	assert_string_equal(next(world), "-w gone");
	assert_string_equal(next(world), "");
	assert_int_equal(counts(world).retained, 1);
}

static void test_without_limits_nothing_is_kept(void **state)
{
	struct world *world = *state;
	const struct kev_retain none = {0};

	kev_store_set_retain(world->store, &none);
	put(world, event("a", "x", "1", "one"), KEV_ORIGIN_LIVE);
	next(world);
	delete (world, "x");
	assert_string_equal(next(world), "-x");
	assert_int_equal(counts(world).events, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_deleted_stays_and_expires),
		TEST(test_relist_marks),
		TEST(test_step_of_the_clock),
		TEST(test_sleep_counts),
		TEST(test_same_revision_takes_the_mark_away),
		TEST(test_another_revision_takes_its_place),
		TEST(test_object_is_told),
		TEST(test_count_and_bytes),
		TEST(test_without_limits_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
