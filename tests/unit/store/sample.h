#ifndef KEVFS_TESTS_UNIT_STORE_SAMPLE_H
#define KEVFS_TESTS_UNIT_STORE_SAMPLE_H

#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../words.h"
#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/event/json.h"
#include "kevfs/store/store.h"

#define S KEV_NS_PER_SEC

/* 2026-07-01T12:00:00Z */
#define NOON (1782907200LL * S)

/** A store whose clock a test moves. */
struct world {
	int64_t now, set, slept; /* set: by how much the wall clock was; slept: the machine */
	struct kev_clock clock;
	struct kev_changes *changes;
	struct kev_store *store;
};

static inline int64_t world_now(void *context)
{
	return ((struct world *)context)->now;
}

static inline int64_t world_boottime(void *context)
{
	return ((struct world *)context)->now - ((struct world *)context)->set;
}

static inline int64_t world_monotonic(void *context)
{
	return world_boottime(context) - ((struct world *)context)->slept;
}

static inline void world_init(struct world *world)
{
	bool resync;

	world->now = NOON;
	world->set = world->slept = 0;
	world->clock = (struct kev_clock){world_now, world_monotonic, world_boottime, world};
	world->changes = kev_changes_create(1000);
	assert_non_null(world->changes);
	kev_changes_take(world->changes, NULL, 0, 0, &resync);
	world->store = kev_store_create(&world->clock, world->changes);
	assert_non_null(world->store);
}

static inline void world_fini(struct world *world)
{
	kev_store_destroy(world->store);
	kev_changes_destroy(world->changes);
}

static inline int world_set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world_init(world);
	*state = world;
	return 0;
}

static inline int world_tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

/** An event about the pod "web" of its namespace. @return new */
static inline struct kev_event *event(
	const char *namespace_, const char *name, const char *rv, const char *message)
{
	struct kev_json *json = kev_json_create();
	struct kev_event *out = NULL;
	struct kev_error error = {""};
	char *text = NULL;

	assert_non_null(json);
	assert_true(asprintf(&text,
			    "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"u-%s\","
			    "\"resourceVersion\":\"%s\",\"creationTimestamp\":\"2026-07-01T11:00:00Z\"},"
			    "\"involvedObject\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"namespace\":\"%s\","
			    "\"name\":\"web\"},\"type\":\"Warning\",\"reason\":\"BackOff\","
			    "\"source\":{\"host\":\"node-3\"},"
			    "\"lastTimestamp\":\"2026-07-01T11:30:00Z\",\"message\":\"%s\"}",
			    namespace_, name, name, rv, namespace_, message) > 0);
	assert_int_equal(kev_json_scan(json, kev_str_c(text), &error), 0);
	assert_int_equal(kev_event_create(json, 0, words(), &out, &error), 0);
	kev_json_destroy(json);
	free(text);
	return out;
}

static inline void put(struct world *world, struct kev_event *e, enum kev_origin origin)
{
	assert_int_equal(kev_store_put(world->store, e, origin), 0);
}

#endif
