#include "../test.h"

#include <stdlib.h>

#include "kevfs/base/defs.h"
#include "kevfs/store/health.h"

#define S KEV_NS_PER_SEC
#define NOON (1782907200LL * S)

/* The real clock is at NOON when the monotonic one is at 0. */
struct world {
	int64_t now;
	struct kev_clock clock;
	struct kev_health *health;
};

static int64_t realtime(void *context)
{
	return NOON + ((struct world *)context)->now;
}

static int64_t monotonic(void *context)
{
	return ((struct world *)context)->now;
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->clock = (struct kev_clock){realtime, monotonic, world};
	world->health = kev_health_create(&world->clock);
	assert_non_null(world->health);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_health_destroy(world->health);
	kev_health_destroy(NULL);
	free(world);
	return 0;
}

static struct kev_health_state get(struct world *world)
{
	struct kev_health_state state;

	kev_health_get(world->health, &state);
	assert_int_equal(state.stale, kev_health_stale(world->health));
	return state;
}

static struct kev_health_watch events(struct world *world)
{
	return get(world).watches[KEV_SCOPE_EVENTS];
}

/* Of one watch of events: connected and synced. */
static void connect(struct world *world)
{
	kev_health_add(world->health, KEV_SCOPE_EVENTS);
	kev_health_connected(world->health, KEV_SCOPE_EVENTS);
	kev_health_synced(world->health);
}

static void test_get_of_a_file(void **state)
{
	struct world *world = *state;

	assert_false(get(world).synced);
	assert_true(get(world).stale);
	assert_true(get(world).since == NOON);
	world->now = 5 * S;
	kev_health_synced(world->health);
	world->now = 100000 * S;
	kev_health_synced(world->health);
	assert_true(get(world).started == NOON);
	assert_true(get(world).synced);
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + 5 * S);
	assert_int_equal(events(world).count, 0);
}

static void test_get_before_the_first_watch(void **state)
{
	struct world *world = *state;

	world->now = S;
	kev_health_add(world->health, KEV_SCOPE_EVENTS);
	kev_health_listing(world->health, KEV_SCOPE_EVENTS, false);
	/* Nothing was ever connected: no grace. */
	assert_false(events(world).connected);
	assert_true(events(world).since == NOON + S);
	kev_health_synced(world->health);
	assert_true(get(world).stale);
	world->now = 2 * S;
	kev_health_connected(world->health, KEV_SCOPE_EVENTS);
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + 2 * S);
	assert_true(events(world).connected);
	assert_int_equal(events(world).reconnects, 0);
	assert_int_equal(events(world).relists, 0);
}

static void test_ended_is_renewed(void **state)
{
	struct world *world = *state;

	connect(world);
	world->now = 300 * S;
	kev_health_ended(world->health, KEV_SCOPE_EVENTS);
	world->now += KEV_HEALTH_GRACE - 1;
	assert_false(get(world).stale);
	assert_true(events(world).connected);
	kev_health_connected(world->health, KEV_SCOPE_EVENTS);
	world->now += 3600 * S;
	/* As if nothing had been. */
	assert_true(events(world).since == NOON);
	assert_true(get(world).since == NOON);
	assert_int_equal(events(world).reconnects, 1);
}

static void test_ended_for_longer(void **state)
{
	struct world *world = *state;

	connect(world);
	world->now = 300 * S;
	kev_health_ended(world->health, KEV_SCOPE_EVENTS);
	world->now += KEV_HEALTH_GRACE;
	assert_true(get(world).stale);
	assert_true(get(world).since == NOON + 300 * S);
	assert_true(events(world).since == NOON + 300 * S);
	world->now = 400 * S;
	kev_health_connected(world->health, KEV_SCOPE_EVENTS);
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + 400 * S);
}

static void test_failed_has_no_grace(void **state)
{
	static const struct kev_error why = {"server: refused"};
	struct world *world = *state;

	connect(world);
	kev_health_ended(world->health, KEV_SCOPE_EVENTS);
	world->now = 1;
	kev_health_failed(world->health, KEV_SCOPE_EVENTS, &why);
	assert_true(get(world).stale);
	assert_string_equal(events(world).error.text, "server: refused");
	assert_true(events(world).error_time == NOON + 1);
	world->now = 2;
	kev_health_connected(world->health, KEV_SCOPE_EVENTS);
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + 2);
	/* What it was is still to be read. */
	assert_string_equal(events(world).error.text, "server: refused");
	/* The next time there is a grace again. */
	kev_health_ended(world->health, KEV_SCOPE_EVENTS);
	assert_false(get(world).stale);
}

static void test_listing_has_no_grace(void **state)
{
	struct world *world = *state;

	connect(world);
	kev_health_ended(world->health, KEV_SCOPE_EVENTS);
	kev_health_listing(world->health, KEV_SCOPE_EVENTS, true);
	assert_true(get(world).stale);
	assert_int_equal(events(world).relists, 1);
}

/* One a namespace: all must be there. */
static void test_several_watches_of_a_kind(void **state)
{
	struct world *world = *state;

	kev_health_add(world->health, KEV_SCOPE_EVENTS);
	connect(world);
	assert_true(get(world).stale);
	kev_health_connected(world->health, KEV_SCOPE_EVENTS);
	assert_false(get(world).stale);
	assert_int_equal(events(world).count, 2);
	kev_health_ended(world->health, KEV_SCOPE_EVENTS);
	world->now = S;
	kev_health_ended(world->health, KEV_SCOPE_EVENTS);
	kev_health_connected(world->health, KEV_SCOPE_EVENTS);
	world->now = KEV_HEALTH_GRACE;
	assert_true(get(world).stale);
	kev_health_connected(world->health, KEV_SCOPE_EVENTS);
	assert_false(get(world).stale);
	assert_int_equal(events(world).reconnects, 2);
}

/* Pods may be refused: then only those are shown that events mention. */
static void test_other_kinds_make_nothing_stale(void **state)
{
	static const struct kev_error why = {"pods may not be listed"};
	struct world *world = *state;

	connect(world);
	kev_health_add(world->health, KEV_SCOPE_PODS);
	kev_health_failed(world->health, KEV_SCOPE_PODS, &why);
	assert_false(get(world).stale);
	assert_false(get(world).watches[KEV_SCOPE_PODS].connected);
	assert_string_equal(get(world).watches[KEV_SCOPE_PODS].error.text, why.text);
	assert_string_equal(events(world).error.text, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_get_of_a_file),
		TEST(test_get_before_the_first_watch),
		TEST(test_ended_is_renewed),
		TEST(test_ended_for_longer),
		TEST(test_failed_has_no_grace),
		TEST(test_listing_has_no_grace),
		TEST(test_several_watches_of_a_kind),
		TEST(test_other_kinds_make_nothing_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
