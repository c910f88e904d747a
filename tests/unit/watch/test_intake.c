#include "sample.h"

#include "../words.h"
#include "kevfs/watch/intake.h"

/* Who answers questions about kinds. */
struct world {
	struct sample sample;
	struct kev_intake *intake;
	bool can_ask;
	int asked;
};

static bool on_ask(void *context)
{
	struct world *world = context;

	world->asked++;
	return world->can_ask;
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	sample_init(&world->sample);
	world->can_ask = true;
	world->intake = kev_intake_create(world->sample.store, on_ask, world);
	assert_non_null(world->intake);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_intake_destroy(world->intake);
	sample_fini(&world->sample);
	free(world);
	return 0;
}

/* @param kind  "Widget" is not known to the built-in kinds */
static struct kev_event *event(const char *name, const char *rv, const char *kind)
{
	struct kev_json *json = kev_json_create();
	struct kev_event *out = NULL;

	assert_non_null(json);
	assert_int_equal(kev_json_scan(json, kev_str_c(sample_event(name, rv, kind)), NULL), 0);
	assert_int_equal(kev_event_create(json, 0, words(), &out, NULL), 0);
	kev_json_destroy(json);
	return out;
}

static void put(struct world *world, const char *name, const char *rv, const char *kind)
{
	assert_int_equal(kev_intake_put(world->intake, event(name, rv, kind), false), 0);
}

static void publish(struct world *world, const char *kind)
{
	struct kev_kinds *kinds = kev_kinds_create_builtin();

	assert_non_null(kinds);
	assert_int_equal(kev_kinds_add(kinds, KEV_STR("example.com"), kev_str_c(kind), KEV_STR("things")), 0);
	kev_store_set_kinds(world->sample.store, kinds);
}

static void test_put_before_live_asks_nothing(void **state)
{
	struct world *world = *state;

	put(world, "a", "1", "Widget");
	assert_string_equal(sample_changes(&world->sample), "+a@1");
	assert_int_equal(world->asked, 0);
}

static int check_ctime(void *context, struct kev_event *e)
{
	assert_int_equal(kev_event_ctime(e), *(int64_t *)context);
	return 0;
}

static void test_put_origin(void **state)
{
	static const struct {
		bool live, listed;
		int64_t ctime;
	} cases[] = {{false, true, NOON - 3600 * KEV_NS_PER_SEC + 7}, {false, false, NOON},
		{true, true, NOON + 1}, {true, false, NOON + 2}};
	struct world *world = *state;

	publish(world, "Thing");
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		int64_t expected = cases[i].ctime;
		const struct kev_store_visitor visitor = {.event = check_ctime, .context = &expected};

		if (cases[i].live)
			kev_intake_go_live(world->intake);
		assert_int_equal(kev_intake_put(world->intake, event("a", "7", "Thing"), cases[i].listed), 0);
		assert_int_equal(kev_store_walk(world->sample.store, &visitor), 0);
		kev_store_delete(world->sample.store, KEV_STR("ns"), KEV_STR("a"));
	}
}

static void test_put_unknown_holds_all_behind_it(void **state)
{
	struct world *world = *state;
	struct kev_intake_relist relist = {0};

	publish(world, "Thing");
	kev_intake_go_live(world->intake);
	put(world, "old", "1", "Thing");
	assert_string_equal(sample_changes(&world->sample), "+old@1");
	assert_false(kev_intake_holding(world->intake));

	put(world, "w", "2", "Widget");
	assert_true(kev_intake_holding(world->intake));
	put(world, "t", "3", "Thing");
	put(world, "w", "4", "Widget");
	assert_int_equal(kev_intake_delete(world->intake, KEV_STR("ns"), KEV_STR("t")), 0);
	assert_int_equal(kev_intake_relist_begin(world->intake, &relist), 0);
	put(world, "w", "4", "Widget");
	assert_int_equal(kev_intake_relist_end(world->intake, KEV_STR("ns"), &relist), 0);
	put(world, "n", "9", "Thing");
	assert_string_equal(sample_changes(&world->sample), "");
	assert_int_equal(relist.begun, 0);
	assert_int_equal(relist.held, 1);
	assert_int_equal(world->asked, 1);

	publish(world, "Widget");
	kev_intake_release(world->intake);
	assert_false(kev_intake_holding(world->intake));
	assert_string_equal(sample_changes(&world->sample), "+w@2 +t@3 w@2->4 -t@3 -old@1 +n@9");
	assert_int_not_equal(relist.begun, 0);
	assert_int_equal(relist.held, 0);
	put(world, "w", "10", "Widget");
	assert_string_equal(sample_changes(&world->sample), "w@4->10");
	assert_int_equal(world->asked, 1);
}

/* A put that was held came before the relist, so the relist must sweep it. */
static void test_relist_sweeps_what_was_held_before_it(void **state)
{
	struct world *world = *state;
	struct kev_intake_relist relist = {0};

	kev_intake_go_live(world->intake);
	put(world, "gone", "1", "Widget");
	assert_int_equal(kev_intake_relist_begin(world->intake, &relist), 0);
	put(world, "there", "2", "Widget");
	assert_int_equal(kev_intake_relist_end(world->intake, KEV_STR(""), &relist), 0);
	kev_intake_release(world->intake);
	assert_string_equal(sample_changes(&world->sample), "+gone@1 +there@2 -gone@1");
}

static void test_put_unknown_without_anybody_to_ask(void **state)
{
	struct world *world = *state;

	world->can_ask = false;
	kev_intake_go_live(world->intake);
	put(world, "w", "1", "Widget");
	assert_false(kev_intake_holding(world->intake));
	assert_string_equal(sample_changes(&world->sample), "+w@1");
	assert_int_equal(world->asked, 1);
}

static void test_hold_is_bounded(void **state)
{
	struct world *world = *state;
	struct kev_store_counts counts;
	char name[32];

	kev_intake_go_live(world->intake);
	for (unsigned i = 0; i < KEV_INTAKE_HELD_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		put(world, name, "1", "Widget");
	}
	assert_true(kev_intake_holding(world->intake));
	kev_store_counts(world->sample.store, &counts);
	assert_int_equal(counts.events, 0);
	put(world, "last", "1", "Widget");
	assert_false(kev_intake_holding(world->intake));
	kev_store_counts(world->sample.store, &counts);
	assert_int_equal(counts.events, KEV_INTAKE_HELD_MAX + 1);
}

static void test_destroy_frees_what_is_held(void **state)
{
	struct world *world = *state;

	kev_intake_go_live(world->intake);
	put(world, "w", "1", "Widget");
	assert_int_equal(kev_intake_delete(world->intake, KEV_STR("ns"), KEV_STR("w")), 0);
	assert_true(kev_intake_holding(world->intake));
	/* tear_down() destroys it; the sanitizers look on. */
	kev_intake_destroy(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_put_before_live_asks_nothing),
		TEST(test_put_origin),
		TEST(test_put_unknown_holds_all_behind_it),
		TEST(test_relist_sweeps_what_was_held_before_it),
		TEST(test_put_unknown_without_anybody_to_ask),
		TEST(test_hold_is_bounded),
		TEST(test_destroy_frees_what_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
