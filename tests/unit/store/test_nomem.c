/*
 * Every allocation of the room fails in turn: what could not be done is not half done, the journal says that
 * something is missing where it does not hold it, and with memory again everything works.
 */
#include "state.h"

#include <errno.h>

#include "../nomem.h"
#include "kevfs/base/log.h"
#include "kevfs/store/health.h"
#include "kevfs/store/kinds.h"

/* Enough that tables grow, and the lists of what is retained or lost. */
#define EVENTS 100

static int create_store(void *context)
{
	struct kev_store *store = kev_store_create(kev_clock_system(), context);

	kev_store_destroy(store);
	return store ? 0 : -ENOMEM;
}

static int create_changes(void *context)
{
	struct kev_changes *changes = kev_changes_create(10);

	(void)context;
	kev_changes_destroy(changes);
	return changes ? 0 : -ENOMEM;
}

static int create_health(void *context)
{
	struct kev_health *health = kev_health_create(kev_clock_system());

	(void)context;
	kev_health_destroy(health);
	return health ? 0 : -ENOMEM;
}

/* A watch that could not be added is not there; how all are is said whole or not at all. */
static int add_watches(void *context)
{
	struct kev_health *health = kev_health_create(kev_clock_system());
	struct kev_health_record *one = health ? kev_health_add(health, KEV_SCOPE_EVENTS, "shop") : NULL;
	struct kev_health_record *two = health ? kev_health_add(health, KEV_SCOPE_PODS, NULL) : NULL;
	struct kev_health_detail *details = NULL;
	size_t count = 7;
	int r = -ENOMEM;

	(void)context;
	if (health)
		r = kev_health_details(health, &details, &count);
	if (r == 0)
		assert_int_equal(count, (one ? 1 : 0) + (two ? 1 : 0));
	else
		assert_int_equal(count, 7);
	free(details);
	kev_health_destroy(health);
	return one && two ? r : -ENOMEM;
}

static int create_meter(void *context)
{
	struct kev_meter *meter = kev_meter_create();

	(void)context;
	kev_meter_destroy(meter);
	return meter ? 0 : -ENOMEM;
}

static void test_create(void **state)
{
	struct kev_changes *changes = kev_changes_create(10);

	(void)state;
	/* One for each kind, among others. */
	assert_in_range(nomem_fail_each(create_store, changes), 50, 1000);
	assert_int_equal(nomem_fail_each(create_changes, NULL), 2);
	assert_int_equal(nomem_fail_each(create_health, NULL), 1);
	assert_int_equal(nomem_fail_each(add_watches, NULL), 4);
	assert_int_equal(nomem_fail_each(create_meter, NULL), 1);
	kev_changes_destroy(changes);
}

/* A kind that could not be added is not there; the others are. */
static int add_kinds(void *context)
{
	struct kev_kinds *kinds = kev_kinds_create();
	size_t added = 0;
	int r = 0;

	(void)context;
	if (!kinds)
		return -ENOMEM;
	for (int i = 0; i < 100; i++) {
		char name[16];
		int one;

		snprintf(name, sizeof(name), "kind-%d", i);
		one = kev_kinds_add(kinds, KEV_STR("g"), kev_str_c(name), kev_str_c(name));
		added += one == 0;
		assert_int_equal(kev_kinds_count(kinds), added);
		r = r ? r : one;
	}
	kev_kinds_unref(kinds);
	return r;
}

static void test_kinds_add(void **state)
{
	(void)state;
	assert_in_range(nomem_fail_each(add_kinds, NULL), 100, 200);
}

/* ---- the store ---- */

static struct kev_event *numbered(int i, const char *rv)
{
	char name[16];

	snprintf(name, sizeof(name), "e%d", i);
	return event("a", name, rv, "m");
}

/* What the journal's reader knows: how many events, or that it must look for itself. */
struct reader {
	size_t events, pods, namespaces, gone;
	bool resync;
};

static struct reader read_journal(struct world *world)
{
	struct reader reader = {0};
	struct kev_change change;

	while (kev_changes_take(world->changes, &change, 1, 0, &reader.resync) == 1) {
		reader.events += change.kind == KEV_CHANGE_EVENT && change.event && !change.old;
		reader.events -= change.kind == KEV_CHANGE_EVENT && !change.event;
		reader.pods += change.kind == KEV_CHANGE_POD && change.present;
		reader.pods -= change.kind == KEV_CHANGE_POD && !change.present;
		reader.namespaces += change.kind == KEV_CHANGE_NAMESPACE && change.present;
		reader.gone += change.kind == KEV_CHANGE_GONE && change.gone != 0;
		kev_change_fini(&change);
	}
	return reader;
}

static void assert_reader_knows(struct world *world, struct reader reader)
{
	struct kev_store_counts counts;

	kev_store_counts(world->store, &counts);
	if (reader.resync)
		return;
	assert_int_equal(reader.events, counts.events);
	assert_int_equal(reader.pods, counts.pods);
	assert_int_equal(reader.namespaces, counts.namespaces);
}

/* One more of each. @return 0 or -ENOMEM */
static int put_one(struct world *world, int i)
{
	char name[16];
	int r = kev_store_put(world->store, numbered(i, "1"), KEV_ORIGIN_LIVE);

	snprintf(name, sizeof(name), "o%d", i);
	if (!r)
		r = kev_store_put_pod(world->store, KEV_STR("a"), kev_str_c(name), S);
	return r ? r : kev_store_put_namespace(world->store, kev_str_c(name), S);
}

static int put_action(void *context)
{
	struct kev_event **events = context;
	struct world world;
	struct reader reader;
	struct kev_store_counts counts;
	size_t hits = 0;
	bool hit = false;

	world.now = NOON, world.set = world.slept = 0;
	world.clock = (struct kev_clock){world_now, world_monotonic, world_boottime, &world};
	world.changes = kev_changes_create(1000);
	world.store = world.changes ? kev_store_create(&world.clock, world.changes) : NULL;
	if (!world.store) {
		kev_changes_destroy(world.changes);
		return -ENOMEM;
	}
	read_journal(&world);
	for (int i = 0; i < EVENTS; i++) {
		char name[16];
		int r[3];

		snprintf(name, sizeof(name), "o%d", i);
		r[0] = kev_store_put(world.store, kev_event_ref(events[i]), KEV_ORIGIN_LIVE);
		r[1] = kev_store_put_pod(world.store, KEV_STR("a"), kev_str_c(name), S);
		r[2] = kev_store_put_namespace(world.store, kev_str_c(name), S);
		for (int k = 0; k < 3; k++) {
			assert_true(r[k] == 0 || r[k] == -ENOMEM);
			hits += r[k] != 0;
		}
	}
	assert_true(hits <= 1);
	kev_store_counts(world.store, &counts);
	assert_int_equal(counts.events + counts.pods + counts.namespaces, 3 * EVENTS - hits);
	reader = read_journal(&world);
	assert_reader_knows(&world, reader);
	hit = hits || reader.resync;
	kev_store_destroy(world.store);
	kev_changes_destroy(world.changes);
	return hit ? -ENOMEM : 0;
}

static void test_put(void **state)
{
	struct kev_event *events[EVENTS];

	(void)state;
	for (int i = 0; i < EVENTS; i++)
		events[i] = numbered(i, "1");
	assert_in_range(nomem_fail_each(put_action, events), 5 * EVENTS, 10 * EVENTS);
	for (int i = 0; i < EVENTS; i++)
		kev_event_unref(events[i]);
}

/* A store with everything in it, of which the reader knows. */
static void fill(struct world *world)
{
	world_init(world);
	for (int i = 0; i < EVENTS; i++)
		assert_int_equal(put_one(world, i), 0);
	assert_reader_knows(world, read_journal(world));
}

/* What is retained, and cannot be for want of memory, is deleted. */
static void test_delete(void **state)
{
	static const struct kev_retain retain = {.age = 3600 * S};
	bool hit = true;
	size_t n;

	(void)state;
	for (n = 1; hit; n++) {
		struct world world;
		struct kev_store_counts counts;
		struct reader reader;

		world_init(&world);
		kev_store_set_retain(world.store, &retain);
		for (int i = 0; i < EVENTS; i++)
			assert_int_equal(put_one(&world, i), 0);
		read_journal(&world);
		nomem_fail_in(n);
		for (int i = 0; i < EVENTS; i++) {
			char name[16];

			snprintf(name, sizeof(name), "e%d", i);
			kev_store_delete(world.store, KEV_STR("a"), kev_str_c(name));
			snprintf(name, sizeof(name), "o%d", i);
			kev_store_delete_pod(world.store, KEV_STR("a"), kev_str_c(name));
			kev_store_delete_namespace(world.store, kev_str_c(name));
		}
		hit = nomem_end();
		kev_store_counts(world.store, &counts);
		assert_int_equal(counts.pods, 0);
		assert_int_equal(counts.namespaces, 0);
		assert_int_equal(counts.events, counts.retained);
		assert_in_range(counts.events, EVENTS - (hit ? 1 : 0), EVENTS);
		reader = read_journal(&world);
		if (!reader.resync)
			assert_int_equal(reader.gone, counts.retained);
		assert_true(hit || !reader.resync);
		world_fini(&world);
	}
	assert_true(n > 3 * EVENTS);
}

/* The end of a list takes what it did not hold; what was listed once more is there. */
static void test_relist(void **state)
{
	static const enum kev_scope_kind kinds[] = {KEV_SCOPE_EVENTS, KEV_SCOPE_PODS, KEV_SCOPE_NAMESPACES};
	bool hit = true;
	size_t n;

	(void)state;
	for (n = 1; hit; n++) {
		struct world world;
		struct kev_store_counts counts;
		struct reader reader;
		uint32_t begun;

		fill(&world);
		begun = kev_store_relist_begin(world.store);
		assert_int_equal(put_one(&world, 7), 0);
		nomem_fail_in(n);
		for (size_t i = 0; i < KEV_ARRAY_LEN(kinds); i++)
			kev_store_relist_end(
				world.store, kinds[i], i == 1 ? KEV_STR("a") : KEV_STR(""), begun);
		hit = nomem_end();
		kev_store_counts(world.store, &counts);
		assert_int_equal(counts.events, 1);
		assert_int_equal(counts.pods, 1);
		assert_int_equal(counts.namespaces, 1);
		reader = read_journal(&world);
		assert_true(hit || !reader.resync);
		if (!reader.resync)
			assert_int_equal((ssize_t)reader.events, 1 - EVENTS);
		world_fini(&world);
	}
	assert_true(n > 2 * EVENTS);
}

/* What is permitted is so, or the caller was told. */
static void test_access(void **state)
{
	bool hit = true;
	size_t n;

	(void)state;
	for (n = 1; hit; n++) {
		struct world world;
		size_t permitted = 0, told = 0;

		world_init(&world);
		nomem_fail_in(n);
		kev_store_restrict(world.store, true);
		for (int i = 0; i < EVENTS; i++) {
			char name[16];

			snprintf(name, sizeof(name), "n%d", i);
			told += kev_store_permit(world.store, kev_str_c(name), true) == 0;
			permitted += kev_store_is_permitted(world.store, kev_str_c(name));
		}
		hit = nomem_end();
		assert_int_equal(permitted, told);
		assert_in_range(told, EVENTS - (hit ? 1 : 0), EVENTS);
		/* Where the journal lacks one, it says so. */
		assert_true(hit || !read_journal(&world).resync);
		world_fini(&world);
	}
	assert_true(n > 2 * EVENTS);
}

static int count_event(void *context, struct kev_event *e)
{
	(void)e;
	++*(size_t *)context;
	return 0;
}

static int count_pod(void *context, struct kev_str namespace_, struct kev_str name, int64_t created)
{
	(void)namespace_, (void)name, (void)created;
	++*(size_t *)context;
	return 0;
}

static int walk_action(void *context)
{
	struct world *world = context;
	size_t count = 0;
	const struct kev_store_visitor visitor = {.event = count_event, .pod = count_pod, .context = &count};
	int r = kev_store_walk(world->store, &visitor);

	assert_int_equal(count, r ? 0 : 2 * EVENTS);
	return r;
}

static void test_walk(void **state)
{
	struct world world;

	(void)state;
	fill(&world);
	assert_in_range(nomem_fail_each(walk_action, &world), 3, 100);
	world_fini(&world);
}

static int restore_action(void *context)
{
	struct kev_event **events = context;
	struct world world;
	struct kev_store_counts counts;
	size_t hits = 0;

	world.now = NOON, world.set = world.slept = 0;
	world.clock = (struct kev_clock){world_now, world_monotonic, world_boottime, &world};
	world.changes = kev_changes_create(1000);
	world.store = world.changes ? kev_store_create(&world.clock, world.changes) : NULL;
	if (!world.store) {
		kev_changes_destroy(world.changes);
		return -ENOMEM;
	}
	for (int i = 0; i < EVENTS; i++)
		hits += kev_store_restore(world.store, kev_event_ref(events[i]), i % 2 ? NOON + i : 0) != 0;
	kev_store_counts(world.store, &counts);
	assert_int_equal(counts.events, EVENTS - hits);
	assert_in_range(counts.retained, EVENTS / 2 - hits, EVENTS / 2);
	kev_store_destroy(world.store);
	kev_changes_destroy(world.changes);
	for (int i = 0; i < EVENTS; i++)
		kev_event_set_gone(events[i], 0);
	return hits ? -ENOMEM : 0;
}

static void test_restore(void **state)
{
	struct kev_event *events[EVENTS];

	(void)state;
	for (int i = 0; i < EVENTS; i++) {
		events[i] = numbered(i, "1");
		kev_event_set_ctime(events[i], NOON + i);
	}
	assert_in_range(nomem_fail_each(restore_action, events), 50, 1000);
	for (int i = 0; i < EVENTS; i++)
		kev_event_unref(events[i]);
}

/* ---- what the journal lost, and the logs want ---- */

static int keep_lost_action(void *context)
{
	struct kev_event **events = context;
	struct kev_changes *changes = kev_changes_create(10);
	struct kev_record **lost;
	uint64_t missing;
	bool resync = false;
	size_t count;

	if (!changes)
		return -ENOMEM;
	kev_changes_keep_lost(changes, 1U << 30);
	for (int i = 0; i < EVENTS; i++) {
		struct kev_change change = {.kind = KEV_CHANGE_EVENT, .event = kev_event_ref(events[i])};

		/* From here on it must be known which of them the store has. */
		if (i == EVENTS / 2)
			change.old = kev_event_ref(events[0]);
		kev_changes_append(changes, &change);
	}
	assert_int_equal(kev_changes_take(changes, NULL, 0, 0, &resync), 0);
	assert_true(resync);
	count = kev_changes_take_lost(changes, &lost, &missing);
	/* In their order, and each is either there or counted. */
	assert_int_equal(count + missing, EVENTS);
	for (size_t i = 0, at = 0; i < count; i++, at++) {
		while (kev_record_occurrence(lost[i]).event != events[at])
			assert_true(at++ < EVENTS);
	}
	kev_records_free(lost, count);
	kev_changes_destroy(changes);
	return missing ? -ENOMEM : 0;
}

static void test_keep_lost(void **state)
{
	struct kev_event *events[EVENTS];

	(void)state;
	for (int i = 0; i < EVENTS; i++)
		events[i] = numbered(i, "1");
	assert_in_range(nomem_fail_each(keep_lost_action, events), 5, 50);
	for (int i = 0; i < EVENTS; i++)
		kev_event_unref(events[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_kinds_add),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_relist),
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_keep_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
