#include "../test.h"

#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/store/health.h"

#define S KEV_NS_PER_SEC
#define NOON (1782907200LL * S)

/* The real clock is at NOON when the monotonic one is at 0. */
struct world {
	int64_t now;
	struct kev_clock clock;
	struct kev_health *health;
	struct kev_health_record *record; /* of connect() */
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
	world->clock = (struct kev_clock){realtime, monotonic, monotonic, world};
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

static struct kev_health_record *add(struct world *world, enum kev_scope_kind kind, const char *namespace_)
{
	struct kev_health_record *record = kev_health_add(world->health, kind, namespace_);

	assert_non_null(record);
	return record;
}

/* Of one watch of events: connected and synced. */
static void connect(struct world *world)
{
	world->record = add(world, KEV_SCOPE_EVENTS, NULL);
	kev_health_connected(world->health, world->record);
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
	world->record = add(world, KEV_SCOPE_EVENTS, NULL);
	kev_health_listing(world->health, world->record, false);
	/* Nothing was ever connected: no grace. */
	assert_false(events(world).connected);
	assert_true(events(world).since == NOON + S);
	kev_health_synced(world->health);
	assert_true(get(world).stale);
	world->now = 2 * S;
	kev_health_connected(world->health, world->record);
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
	kev_health_ended(world->health, world->record);
	world->now += KEV_HEALTH_GRACE - 1;
	assert_false(get(world).stale);
	assert_true(events(world).connected);
	kev_health_connected(world->health, world->record);
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
	kev_health_ended(world->health, world->record);
	world->now += KEV_HEALTH_GRACE;
	assert_true(get(world).stale);
	assert_true(get(world).since == NOON + 300 * S);
	assert_true(events(world).since == NOON + 300 * S);
	world->now = 400 * S;
	kev_health_connected(world->health, world->record);
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + 400 * S);
}

static void test_failed_has_no_grace(void **state)
{
	static const struct kev_error why = {"server: refused"};
	struct world *world = *state;

	connect(world);
	kev_health_ended(world->health, world->record);
	world->now = 1;
	kev_health_failed(world->health, world->record, &why);
	assert_true(get(world).stale);
	assert_string_equal(events(world).error.text, "server: refused");
	assert_true(events(world).error_time == NOON + 1);
	world->now = 2;
	kev_health_connected(world->health, world->record);
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + 2);
	/* What it was is still to be read. */
	assert_string_equal(events(world).error.text, "server: refused");
	/* The next time there is a grace again. */
	kev_health_ended(world->health, world->record);
	assert_false(get(world).stale);
}

static void test_listing_has_no_grace(void **state)
{
	struct world *world = *state;

	connect(world);
	kev_health_ended(world->health, world->record);
	kev_health_listing(world->health, world->record, true);
	assert_true(get(world).stale);
	assert_int_equal(events(world).relists, 1);
}

/* Who only looks whether something was missed knows of nothing. */
static void test_comparing_has_a_grace(void **state)
{
	static const struct kev_error why = {"server: refused"};
	struct world *world = *state;

	connect(world);
	kev_health_ended(world->health, world->record);
	kev_health_comparing(world->health, world->record);
	assert_int_equal(events(world).relists, 1);
	assert_false(get(world).stale);
	world->now = KEV_HEALTH_GRACE - 1;
	kev_health_connected(world->health, world->record);
	assert_true(get(world).since == NOON);
	/* But it takes no time of its own. */
	kev_health_ended(world->health, world->record);
	kev_health_comparing(world->health, world->record);
	world->now += KEV_HEALTH_GRACE;
	assert_true(get(world).stale);
	/* And what is known to be broken stays so. */
	kev_health_connected(world->health, world->record);
	kev_health_ended(world->health, world->record);
	kev_health_failed(world->health, world->record, &why);
	kev_health_comparing(world->health, world->record);
	assert_true(get(world).stale);
}

/* One a namespace: all must be there. */
static void test_several_watches_of_a_kind(void **state)
{
	struct world *world = *state;
	struct kev_health_record *other = add(world, KEV_SCOPE_EVENTS, "shop");

	connect(world);
	assert_true(get(world).stale);
	kev_health_connected(world->health, other);
	assert_false(get(world).stale);
	assert_int_equal(events(world).count, 2);
	kev_health_ended(world->health, other);
	world->now = S;
	kev_health_ended(world->health, world->record);
	kev_health_connected(world->health, other);
	world->now = KEV_HEALTH_GRACE;
	assert_true(get(world).stale);
	kev_health_connected(world->health, world->record);
	assert_false(get(world).stale);
	assert_int_equal(events(world).reconnects, 2);
}

/* A namespace that comes while all is well is given the time that its list takes. */
static void test_one_more_has_a_grace(void **state)
{
	struct world *world = *state;
	struct kev_health_record *other;

	connect(world);
	world->now = 100 * S;
	other = add(world, KEV_SCOPE_EVENTS, "shop");
	kev_health_listing(world->health, other, false);
	assert_false(get(world).stale);
	world->now += KEV_HEALTH_GRACE - 1;
	assert_false(get(world).stale);
	world->now++;
	assert_true(get(world).stale);
	assert_true(get(world).since == NOON + 100 * S);
	kev_health_connected(world->health, other);
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + world->now);
}

static void test_removed_makes_nothing_stale(void **state)
{
	static const struct kev_error why = {"server: refused"};
	struct world *world = *state;
	struct kev_health_record *other;

	connect(world);
	world->now = S;
	other = add(world, KEV_SCOPE_EVENTS, "shop");
	kev_health_failed(world->health, other, &why);
	assert_true(get(world).stale);
	world->now = 2 * S;
	kev_health_remove(world->health, other);
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + 2 * S);
	assert_int_equal(events(world).count, 1);
	assert_string_equal(events(world).error.text, why.text);
	/* One that was connected takes nothing along with it. */
	other = add(world, KEV_SCOPE_EVENTS, "pay");
	kev_health_connected(world->health, other);
	kev_health_remove(world->health, other);
	assert_false(get(world).stale);
	/* Who follows nothing is no file: that is true for ever. */
	kev_health_remove(world->health, world->record);
	world->now += KEV_HEALTH_GRACE;
	assert_true(get(world).stale);
	assert_int_equal(events(world).count, 0);
	kev_health_remove(world->health, NULL);
}

/* What the server does not permit is no reason to mistrust the rest. */
static void test_denied_makes_nothing_stale(void **state)
{
	static const struct kev_error why = {"events of namespace pay may not be listed"};
	struct world *world = *state;
	struct kev_health_record *other;

	connect(world);
	other = add(world, KEV_SCOPE_EVENTS, "pay");
	kev_health_listing(world->health, other, false);
	kev_health_denied(world->health, other, &why);
	world->now = 100 * S;
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON);
	assert_int_equal(events(world).count, 2);
	assert_int_equal(events(world).denied, 1);
	assert_string_equal(events(world).error.text, why.text);
	/* It is asked again, and refuses again, or does not answer. */
	kev_health_listing(world->health, other, true);
	assert_false(get(world).stale);
	kev_health_failed(world->health, other, &why);
	world->now = 200 * S;
	assert_false(get(world).stale);
	/* Now it permits it. */
	kev_health_listing(world->health, other, true);
	kev_health_connecting(world->health, other, KEV_STR("7"));
	assert_int_equal(events(world).denied, 0);
	assert_false(get(world).stale);
	world->now += KEV_HEALTH_GRACE;
	assert_true(get(world).stale);
	kev_health_connected(world->health, other);
	assert_false(get(world).stale);
	/* And later no more: what it brought stays as it was, and is known to. */
	kev_health_ended(world->health, other);
	kev_health_denied(world->health, other, &why);
	world->now += KEV_HEALTH_GRACE;
	assert_false(get(world).stale);
	kev_health_remove(world->health, other);
	assert_int_equal(events(world).denied, 0);
	assert_false(get(world).stale);
}

/* While one is denied another breaks: that counts, and no sooner than it should. */
static void test_denied_does_not_hide_the_others(void **state)
{
	static const struct kev_error why = {"no"};
	struct world *world = *state;
	struct kev_health_record *other;

	connect(world);
	other = add(world, KEV_SCOPE_EVENTS, "pay");
	kev_health_denied(world->health, other, &why);
	kev_health_ended(world->health, world->record);
	kev_health_failed(world->health, other, &why);
	assert_false(get(world).stale);
	kev_health_failed(world->health, world->record, &why);
	assert_true(get(world).stale);
}

static void test_all_denied_is_stale(void **state)
{
	static const struct kev_error why = {"no"};
	struct world *world = *state;

	connect(world);
	kev_health_ended(world->health, world->record);
	world->now = S;
	kev_health_denied(world->health, world->record, &why);
	assert_true(get(world).stale);
	assert_false(events(world).connected);
	assert_true(get(world).since == NOON);
}

/* Pods may be refused: then only those are shown that events mention. */
static void test_other_kinds_make_nothing_stale(void **state)
{
	static const struct kev_error why = {"pods may not be listed"};
	struct world *world = *state;
	struct kev_health_record *pods;

	connect(world);
	pods = add(world, KEV_SCOPE_PODS, NULL);
	kev_health_failed(world->health, pods, &why);
	assert_false(get(world).stale);
	assert_false(get(world).watches[KEV_SCOPE_PODS].connected);
	kev_health_denied(world->health, pods, &why);
	assert_false(get(world).stale);
	assert_false(get(world).watches[KEV_SCOPE_PODS].connected);
	assert_string_equal(get(world).watches[KEV_SCOPE_PODS].error.text, why.text);
	assert_string_equal(events(world).error.text, "");
}

/* Events are watched in those namespaces only that are known. */
static void test_namespaces_that_are_needed(void **state)
{
	static const struct kev_error why = {"namespaces: 500"};
	struct world *world = *state;
	struct kev_health_record *namespaces;

	connect(world);
	namespaces = add(world, KEV_SCOPE_NAMESPACES, NULL);
	kev_health_connected(world->health, namespaces);
	kev_health_need_namespaces(world->health, true);
	world->now = 10 * S;
	kev_health_ended(world->health, namespaces);
	assert_false(get(world).stale);
	kev_health_failed(world->health, namespaces, &why);
	assert_true(get(world).stale);
	assert_true(get(world).since == NOON + 10 * S);
	assert_true(events(world).connected);
	world->now = 20 * S;
	kev_health_need_namespaces(world->health, false);
	assert_false(get(world).stale);
	kev_health_need_namespaces(world->health, true);
	kev_health_connected(world->health, namespaces);
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + 20 * S);
	kev_health_denied(world->health, namespaces, &why);
	assert_false(get(world).stale);
}

static void test_details_of_none(void **state)
{
	struct world *world = *state;
	struct kev_health_detail *details = NULL;
	size_t count = 1;

	assert_int_equal(kev_health_details(world->health, &details, &count), 0);
	assert_int_equal(count, 0);
	free(details);
}

/* The only watch there is. */
static struct kev_health_detail detail(struct world *world)
{
	struct kev_health_detail *details = NULL, only;
	size_t count = 0;

	assert_int_equal(kev_health_details(world->health, &details, &count), 0);
	assert_int_equal(count, 1);
	only = details[0];
	assert_null(only.namespace_);
	free(details);
	return only;
}

static void test_details_follow_a_watch(void **state)
{
	static const struct kev_error why = {"server: refused"};
	struct world *world = *state;

	world->record = add(world, KEV_SCOPE_PODS, NULL);
	assert_int_equal(detail(world).kind, KEV_SCOPE_PODS);
	assert_int_equal(detail(world).phase, KEV_HEALTH_IDLE);
	assert_true(detail(world).silence < 0);
	assert_string_equal(detail(world).resource_version, "");
	world->now = S;
	kev_health_listing(world->health, world->record, false);
	kev_health_heard(world->health, world->record, 1000, KEV_STR(""));
	world->now = 3 * S;
	assert_int_equal(detail(world).phase, KEV_HEALTH_LISTING);
	assert_true(detail(world).since == NOON + S);
	assert_true(detail(world).silence == 2 * S);
	assert_int_equal(detail(world).bytes, 1000);
	kev_health_connecting(world->health, world->record, KEV_STR("10"));
	assert_int_equal(detail(world).phase, KEV_HEALTH_CONNECTING);
	assert_string_equal(detail(world).resource_version, "10");
	kev_health_connected(world->health, world->record);
	assert_int_equal(detail(world).phase, KEV_HEALTH_WATCHING);
	kev_health_heard(world->health, world->record, 24, KEV_STR("12"));
	kev_health_heard(world->health, world->record, 0, KEV_STR(""));
	assert_string_equal(detail(world).resource_version, "12");
	assert_int_equal(detail(world).bytes, 1024);
	assert_int_equal(get(world).watches[KEV_SCOPE_PODS].bytes, 1024);
	kev_health_ended(world->health, world->record);
	kev_health_failed(world->health, world->record, &why);
	assert_int_equal(detail(world).phase, KEV_HEALTH_WAITING);
	assert_string_equal(detail(world).error.text, why.text);
	assert_true(detail(world).error_time == NOON + 3 * S);
	kev_health_listing(world->health, world->record, true);
	assert_int_equal(detail(world).relists, 1);
	assert_int_equal(detail(world).reconnects, 0);
	kev_health_connected(world->health, world->record);
	assert_int_equal(detail(world).reconnects, 1);
	/* Who is asked again is denied all the while. */
	kev_health_denied(world->health, world->record, &why);
	kev_health_listing(world->health, world->record, true);
	assert_int_equal(detail(world).phase, KEV_HEALTH_DENIED);
	kev_health_remove(world->health, world->record);
	assert_int_equal(get(world).watches[KEV_SCOPE_PODS].bytes, 1024);
	assert_int_equal(get(world).watches[KEV_SCOPE_PODS].reconnects, 1);
}

/* A hostile server's resourceVersion may be of any length. */
static void test_heard_cuts_what_is_too_long(void **state)
{
	struct world *world = *state;
	char text[300];

	memset(text, '7', sizeof(text));
	world->record = add(world, KEV_SCOPE_EVENTS, NULL);
	kev_health_heard(world->health, world->record, 1, (struct kev_str){text, sizeof(text)});
	assert_int_equal(strlen(detail(world).resource_version), KEV_HEALTH_RV_SIZE - 1);
}

static void test_details_of_several(void **state)
{
	struct world *world = *state;
	struct kev_health_detail *details = NULL;
	struct kev_health_record *gone;
	size_t count = 0;

	add(world, KEV_SCOPE_EVENTS, "shop");
	gone = add(world, KEV_SCOPE_EVENTS, "gone");
	add(world, KEV_SCOPE_EVENTS, "");
	add(world, KEV_SCOPE_PODS, NULL);
	kev_health_remove(world->health, gone);
	assert_int_equal(kev_health_details(world->health, &details, &count), 0);
	assert_int_equal(count, 3);
	assert_string_equal(details[0].namespace_, "shop");
	assert_string_equal(details[1].namespace_, "");
	assert_null(details[2].namespace_);
	assert_int_equal(details[2].kind, KEV_SCOPE_PODS);
	free(details);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(kev_health_kind_name(KEV_SCOPE_EVENTS), "events");
	assert_string_equal(kev_health_kind_name(KEV_SCOPE_PODS), "pods");
	assert_string_equal(kev_health_kind_name(KEV_SCOPE_NAMESPACES), "namespaces");
	for (int i = 0; i < KEV_HEALTH_PHASES; i++)
		assert_non_null(kev_health_phase_name((enum kev_health_phase)i));
	assert_string_equal(kev_health_phase_name(KEV_HEALTH_IDLE), "idle");
	assert_string_equal(kev_health_phase_name(KEV_HEALTH_DENIED), "denied");
}

static void hold(struct world *world, unsigned directories, int64_t since, int64_t halted_since)
{
	kev_health_held(world->health,
		&(struct kev_health_held){
			.directories = directories, .since = since, .halted_since = halted_since});
}

static void test_held(void **state)
{
	struct world *world = *state;

	kev_health_synced(world->health);
	assert_int_equal(get(world).held.directories, 0);
	hold(world, 2, NOON + S, 0);
	assert_int_equal(get(world).held.directories, 2);
	assert_int_equal(get(world).held.since, NOON + S);
	assert_false(kev_health_stale(world->health));
	hold(world, 0, 0, 0);
	assert_int_equal(get(world).held.directories, 0);
}

/* What cannot be told is not seen. */
static void test_halted(void **state)
{
	struct world *world = *state;
	struct kev_health_record *record = kev_health_add(world->health, KEV_SCOPE_EVENTS, NULL);

	kev_health_synced(world->health);
	kev_health_connected(world->health, record);
	assert_false(kev_health_stale(world->health));
	world->now += 5 * S;
	hold(world, 16, NOON, NOON + 4 * S);
	assert_true(kev_health_stale(world->health));
	assert_true(get(world).stale);
	assert_int_equal(get(world).since, NOON + 4 * S);
	assert_int_equal(get(world).held.halted_since, NOON + 4 * S);
	/* It is stale since then, whatever else happens. */
	world->now += S;
	kev_health_failed(world->health, record, &(struct kev_error){"refused"});
	assert_int_equal(get(world).since, NOON + 4 * S);
	kev_health_connected(world->health, record);
	assert_int_equal(get(world).since, NOON + 4 * S);
	world->now += S;
	hold(world, 15, NOON, 0);
	assert_false(kev_health_stale(world->health));
	assert_false(get(world).stale);
	assert_int_equal(get(world).since, NOON + 7 * S);
	assert_int_equal(get(world).held.directories, 15);
}

/* What is not shown for want of memory is not seen. */
static void test_behind(void **state)
{
	struct world *world = *state;
	struct kev_health_record *record = kev_health_add(world->health, KEV_SCOPE_EVENTS, NULL);
	struct kev_health_state now;
	struct kev_error why;

	kev_health_synced(world->health);
	kev_health_connected(world->health, record);
	world->now += 5 * S;
	kev_health_behind(world->health, true);
	world->now += S;
	kev_health_behind(world->health, true);
	assert_true(kev_health_stale(world->health));
	assert_true(get(world).stale);
	assert_true(get(world).since == NOON + 5 * S);
	now = get(world);
	assert_true(now.behind_since == NOON + 5 * S);
	kev_health_explain(&now, &why);
	assert_non_null(strstr(why.text, "no memory"));
	hold(world, 16, NOON, NOON + 4 * S);
	assert_true(get(world).since == NOON + 4 * S);
	hold(world, 0, 0, 0);
	assert_true(get(world).since == NOON + 5 * S);
	world->now += S;
	kev_health_behind(world->health, false);
	assert_false(get(world).stale);
	assert_true(get(world).behind_since == 0);
	assert_true(get(world).since == NOON + 7 * S);
}

/* Who writes all this may hang: then it is stale, however well it was. */
static void test_a_feed_that_hangs(void **state)
{
	static const struct kev_error refused = {"refused"};
	struct world *world = *state;
	struct kev_meter *meter = kev_meter_create();
	struct kev_meter_mark *feed;
	struct kev_error why;

	connect(world);
	kev_health_set_meter(world->health, meter);
	feed = kev_meter_begin(meter, KEV_METER_FEEDING, 0);
	/* It sleeps for as long as it said. */
	kev_meter_renew(feed, 100 * S);
	world->now = 130 * S - 1;
	assert_false(get(world).stale);
	assert_int_equal(get(world).late, 0);
	assert_true(get(world).since == NOON);
	world->now = 130 * S;
	assert_true(get(world).stale);
	assert_true(get(world).late == 30 * S);
	assert_true(get(world).since == NOON + 100 * S);
	world->now = 171 * S;
	assert_true(get(world).since == NOON + 100 * S);
	kev_health_explain(&(struct kev_health_state){.late = get(world).late}, &why);
	assert_non_null(strstr(why.text, "was to go on 71 s ago, and hangs"));
	/* It goes on, and all is well from then on. */
	kev_meter_renew(feed, 172 * S);
	world->now = 200 * S;
	assert_false(get(world).stale);
	assert_true(get(world).since == NOON + 171 * S);
	/* It changes nothing of what was stale before. */
	kev_meter_renew(feed, 205 * S);
	kev_health_failed(world->health, world->record, &refused);
	world->now = 300 * S;
	assert_true(get(world).stale);
	assert_true(get(world).since == NOON + 200 * S);
	/* One that has ended hangs no more. */
	kev_meter_end(feed);
	assert_int_equal(get(world).late, 0);
	kev_meter_destroy(meter);
	kev_health_set_meter(world->health, NULL);
}

/* Of all kinds, what came last. */
static void test_explain(void **state)
{
	static const struct kev_error first = {"first"}, second = {"second"};
	struct world *world = *state;
	struct kev_health_record *pods;
	struct kev_health_state now;
	struct kev_error why = {"untouched"};

	connect(world);
	pods = add(world, KEV_SCOPE_PODS, NULL);
	now = get(world);
	kev_health_explain(&now, &why);
	assert_string_equal(why.text, "");
	kev_health_failed(world->health, pods, &first);
	now = get(world);
	kev_health_explain(&now, &why);
	assert_string_equal(why.text, "first");
	world->now = S;
	kev_health_failed(world->health, world->record, &second);
	now = get(world);
	kev_health_explain(&now, &why);
	assert_string_equal(why.text, "second");
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
		TEST(test_comparing_has_a_grace),
		TEST(test_several_watches_of_a_kind),
		TEST(test_one_more_has_a_grace),
		TEST(test_removed_makes_nothing_stale),
		TEST(test_denied_makes_nothing_stale),
		TEST(test_denied_does_not_hide_the_others),
		TEST(test_all_denied_is_stale),
		TEST(test_other_kinds_make_nothing_stale),
		TEST(test_namespaces_that_are_needed),
		TEST(test_details_of_none),
		TEST(test_details_follow_a_watch),
		TEST(test_heard_cuts_what_is_too_long),
		TEST(test_details_of_several),
		TEST(test_names),
		TEST(test_held),
		TEST(test_halted),
		TEST(test_behind),
		TEST(test_a_feed_that_hangs),
		TEST(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
