#include "../test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../room.h"
#include "../words.h"
#include "kevfs/base/defs.h"
#include "kevfs/event/json.h"
#include "kevfs/store/store.h"

#define S KEV_NS_PER_SEC

/* 2026-07-01T12:00:00Z */
#define NOON (1782907200LL * S)

struct world {
	int64_t now;
	struct kev_clock clock;
	struct kev_changes *changes;
	struct kev_store *store;
};

static int64_t world_now(void *context)
{
	return ((struct world *)context)->now;
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	bool resync;

	assert_non_null(world);
	world->now = NOON;
	world->clock = (struct kev_clock){world_now, world_now, world_now, world};
	world->changes = kev_changes_create(1000);
	assert_non_null(world->changes);
	kev_changes_take(world->changes, NULL, 0, 0, &resync);
	world->store = kev_store_create(&world->clock, world->changes);
	assert_non_null(world->store);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_store_destroy(world->store);
	kev_changes_destroy(world->changes);
	free(world);
	return 0;
}

/* @param written  the second of the day at which the server wrote it, "" for no time at all */
static struct kev_event *event(
	const char *namespace_, const char *name, const char *rv, const char *written, const char *message)
{
	struct kev_json *json = kev_json_create();
	struct kev_event *out = NULL;
	struct kev_error error = {""};
	char text[1024], time[128] = "";

	assert_non_null(json);
	if (written[0])
		snprintf(time, sizeof(time), ",\"creationTimestamp\":\"2026-07-01T%sZ\"", written);
	snprintf(text, sizeof(text),
		"{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"u-%s\","
		"\"resourceVersion\":\"%s\"%s},\"message\":\"%s\"}",
		namespace_, name, name, rv, time, message);
	assert_int_equal(kev_json_scan(json, kev_str_c(text), &error), 0);
	assert_int_equal(kev_event_create(json, 0, words(), &out, &error), 0);
	kev_json_destroy(json);
	return out;
}

static void put(struct world *world, struct kev_event *e, enum kev_origin origin)
{
	assert_int_equal(kev_store_put(world->store, e, origin), 0);
}

/* The next change as text: "+ns/name@rv", "ns/name@rv->rv", "-ns/name@rv", "+pod ns/name", … "" for none */
static const char *next(struct world *world)
{
	static char text[256];
	struct kev_change c;
	bool resync = false;

	if (kev_changes_take(world->changes, &c, 1, 0, &resync) == 0)
		return resync ? "resync" : "";
	assert_int_equal(c.when, world->now);
	if (c.kind == KEV_CHANGE_EVENT) {
		struct kev_event *any = c.event ? c.event : c.old;
		struct kev_str ns = kev_event_namespace(any), name = kev_event_name(any, ROOM);
		struct kev_str old = c.old ? kev_event_resource_version(c.old, ROOM) : KEV_STR("");
		struct kev_str new = c.event ? kev_event_resource_version(c.event, ROOM) : KEV_STR("");

		snprintf(text, sizeof(text), "%s%.*s/%.*s@%.*s%s%.*s", c.old ? (c.event ? "" : "-") : "+",
			(int)ns.len, ns.data, (int)name.len, name.data, (int)old.len,
			old.data ? old.data : "", c.old && c.event ? "->" : "", (int)new.len,
			new.data ? new.data : "");
	} else {
		assert_int_equal(c.namespace_ != NULL, c.kind == KEV_CHANGE_POD);
		snprintf(text, sizeof(text), "%s%s %s%s%s@%lld", c.present ? "+" : "-",
			c.kind == KEV_CHANGE_POD ? "pod" : "namespace", c.namespace_ ? c.namespace_ : "",
			c.namespace_ ? "/" : "", c.name, (long long)(c.created / S));
	}
	kev_change_fini(&c);
	return text;
}

static int find_ctime(void *context, struct kev_event *e)
{
	struct kev_str *name = context;

	if (kev_str_eq(kev_event_name(e, ROOM), *name)) {
		name->len = 0;
		name->data = (const char *)e;
		return 1;
	}
	return 0;
}

/* The ctime of the event of that name in the store. */
static int64_t ctime_of(struct world *world, const char *name)
{
	struct kev_str found = kev_str_c(name);
	const struct kev_store_visitor visitor = {.event = find_ctime, .context = &found};

	assert_int_equal(kev_store_walk(world->store, &visitor), 1);
	/* The store holds a reference. */
	return kev_event_ctime((const struct kev_event *)(const void *)found.data);
}

static void test_put_create_update_delete(void **state)
{
	struct world *world = *state;
	struct kev_store_counts counts;
	struct kev_event *big = event("a", "x", "2", "11:00:00", "longer text");
	size_t size = kev_event_size(big);

	put(world, event("a", "x", "1", "11:00:00", "one"), KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "+a/x@1");
	put(world, big, KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "a/x@1->2");
	kev_store_counts(world->store, &counts);
	assert_int_equal(counts.events, 1);
	assert_int_equal(counts.event_bytes, size);
	kev_store_delete(world->store, KEV_STR("a"), KEV_STR("y"));
	kev_store_delete(world->store, KEV_STR("b"), KEV_STR("x"));
	assert_string_equal(next(world), "");
	kev_store_delete(world->store, KEV_STR("a"), KEV_STR("x"));
	assert_string_equal(next(world), "-a/x@2");
	kev_store_counts(world->store, &counts);
	assert_int_equal(counts.events, 0);
	assert_int_equal(counts.event_bytes, 0);
}

static void test_put_same_revision_is_no_change(void **state)
{
	struct world *world = *state;
	int64_t ctime;

	put(world, event("a", "x", "1", "11:00:00", "one"), KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "+a/x@1");
	ctime = ctime_of(world, "x");
	world->now += S;
	put(world, event("a", "x", "1", "11:00:00", "one"), KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "");
	assert_int_equal(ctime_of(world, "x"), ctime);
	/* A restored etcd hands out resourceVersions again, and goes back. */
	put(world, event("a", "x", "1", "11:00:00", "other"), KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "a/x@1->1");
	put(world, event("a", "x", "0", "11:00:00", "older"), KEV_ORIGIN_LIVE);
	assert_string_equal(next(world), "a/x@1->0");
}

static void test_put_counts_names_without_a_time(void **state)
{
	struct world *world = *state;

	put(world, event("a", "x.18be2d5a2f3d4c00", "1", "11:00:00", "one"), KEV_ORIGIN_LIVE);
	assert_int_equal(kev_meter_get(kev_store_meter(world->store), KEV_METER_UNTIMED), 0);
	put(world, event("a", "x", "1", "11:00:00", "one"), KEV_ORIGIN_LIVE);
	put(world, event("a", "x", "1", "11:00:00", "one"), KEV_ORIGIN_LIVE);
	assert_int_equal(kev_meter_get(kev_store_meter(world->store), KEV_METER_UNTIMED), 1);
	/* A time that cannot be right is none. */
	put(world, event("a", "x.7fffffffffffffff", "1", "11:00:00", "one"), KEV_ORIGIN_LIVE);
	assert_int_equal(kev_meter_get(kev_store_meter(world->store), KEV_METER_UNTIMED), 2);
}

static void test_put_namespaces_keep_names_apart(void **state)
{
	struct world *world = *state;
	struct kev_store_counts counts;

	put(world, event("a", "x", "1", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	put(world, event("b", "x", "2", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	put(world, event("ab", "c", "3", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	put(world, event("a", "bc", "4", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	kev_store_counts(world->store, &counts);
	assert_int_equal(counts.events, 4);
}

static void test_ctime_first_sync(void **state)
{
	static const struct {
		const char *rv, *written;
		int64_t expected; /* ns since noon; the clock says noon */
	} cases[] = {
		{"123", "11:00:00", -3600 * S + 123}, {"999999999", "11:00:00", -3600 * S + 999999999},
		{"1000000000", "11:00:00", -3600 * S},
		{"18446744073709551615999000777", "11:00:00", -3600 * S + 999000777},
		{"5", "12:00:00", 0}, /* 5 ns in the future: arrival */
		{"5", "13:00:00", 1}, /* the future: arrival, behind the one before */
		{"5", "", 2},         /* unknown: arrival */
	};
	struct world *world = *state;
	char name[32];

	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		put(world, event("a", name, cases[i].rv, cases[i].written, "m"), KEV_ORIGIN_FIRST_SYNC);
		assert_int_equal(ctime_of(world, name) - NOON, cases[i].expected);
	}
}

static void test_ctime_first_sync_opaque_revision(void **state)
{
	struct world *world = *state;
	int64_t a, b;

	put(world, event("a", "x", "opaque-a", "11:00:00", "m"), KEV_ORIGIN_FIRST_SYNC);
	put(world, event("a", "y", "opaque-b", "11:00:00", "m"), KEV_ORIGIN_FIRST_SYNC);
	put(world, event("a", "z", "opaque-a", "11:00:00", "m"), KEV_ORIGIN_FIRST_SYNC);
	a = ctime_of(world, "x");
	b = ctime_of(world, "y");
	assert_int_not_equal(a, b);
	assert_int_equal(a, ctime_of(world, "z"));
	assert_in_range(a - (NOON - 3600 * S), 0, S - 1);
	assert_in_range(b - (NOON - 3600 * S), 0, S - 1);
}

static void test_ctime_first_sync_repeated(void **state)
{
	struct world *world = *state;

	/* The list broke off and began again; meanwhile the event was written once more in the same second.
	 */
	put(world, event("a", "x", "1999999999", "11:00:00", "m"), KEV_ORIGIN_FIRST_SYNC);
	put(world, event("a", "x", "2000000001", "11:00:00", "n"), KEV_ORIGIN_FIRST_SYNC);
	assert_int_equal(ctime_of(world, "x"), NOON);
}

static void test_ctime_live_increases(void **state)
{
	struct world *world = *state;

	put(world, event("a", "x", "1", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	assert_int_equal(ctime_of(world, "x"), NOON);
	put(world, event("a", "x", "2", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	assert_int_equal(ctime_of(world, "x"), NOON + 1);
	/* Deleted and created again, the clock set back. */
	kev_store_delete(world->store, KEV_STR("a"), KEV_STR("x"));
	world->now -= 3600 * S;
	put(world, event("a", "x", "3", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	assert_int_equal(ctime_of(world, "x"), NOON + 2);
	world->now = NOON + S;
	put(world, event("a", "x", "4", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	assert_int_equal(ctime_of(world, "x"), NOON + S);
}

static void test_ctime_live_passes_first_sync(void **state)
{
	struct world *world = *state;

	put(world, event("a", "x", "1", "11:00:00", "m"), KEV_ORIGIN_FIRST_SYNC);
	world->now -= 2 * 3600 * S;
	put(world, event("a", "x", "2", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	assert_int_equal(ctime_of(world, "x"), NOON - 3600 * S + 2);
}

static void test_put_pod(void **state)
{
	struct world *world = *state;
	struct kev_store_counts counts;

	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), KEV_STR("web"), NOON), 0);
	assert_string_equal(next(world), "+pod a/web@1782907200");
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), KEV_STR("web"), NOON), 0);
	assert_string_equal(next(world), "");
	/* Another one of that name. */
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), KEV_STR("web"), NOON + S), 0);
	assert_string_equal(next(world), "+pod a/web@1782907201");
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("b"), KEV_STR("web"), 0), 0);
	assert_string_equal(next(world), "+pod b/web@0");
	/* Beyond what fits: unknown. */
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("b"), KEV_STR("old"), -S), 0);
	assert_string_equal(next(world), "+pod b/old@0");
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("b"), KEV_STR("new"), INT64_MAX), 0);
	assert_string_equal(next(world), "+pod b/new@0");
	kev_store_delete_pod(world->store, KEV_STR("a"), KEV_STR("nobody"));
	assert_string_equal(next(world), "");
	kev_store_delete_pod(world->store, KEV_STR("a"), KEV_STR("web"));
	assert_string_equal(next(world), "-pod a/web@1782907201");
	kev_store_counts(world->store, &counts);
	assert_int_equal(counts.pods, 3);
	assert_int_equal(counts.events + counts.namespaces, 0);
}

static void test_put_namespace(void **state)
{
	struct world *world = *state;

	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("a"), NOON), 0);
	assert_string_equal(next(world), "+namespace a@1782907200");
	kev_store_delete_namespace(world->store, KEV_STR("a"));
	assert_string_equal(next(world), "-namespace a@1782907200");
}

static void test_put_pod_refuses(void **state)
{
	struct world *world = *state;
	char *huge = malloc(KEV_STORE_NAME_MAX + 1);
	struct kev_store_counts counts;
	struct kev_str good = KEV_STR("a");

	assert_non_null(huge);
	memset(huge, 'x', KEV_STORE_NAME_MAX + 1);
	assert_int_equal(kev_store_put_pod(world->store, good, KEV_STR(""), 0), -EINVAL);
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR(""), good, 0), -EINVAL);
	assert_int_equal(kev_store_put_pod(world->store, good, KEV_STR("a\0b"), 0), -EINVAL);
	assert_int_equal(
		kev_store_put_pod(world->store, good, (struct kev_str){huge, KEV_STORE_NAME_MAX + 1}, 0),
		-EINVAL);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR(""), 0), -EINVAL);
	kev_store_counts(world->store, &counts);
	assert_int_equal(counts.pods + counts.namespaces, 0);
	assert_string_equal(next(world), "");
	assert_int_equal(
		kev_store_put_pod(world->store, good, (struct kev_str){huge, KEV_STORE_NAME_MAX}, 0), 0);
	kev_store_counts(world->store, &counts);
	assert_int_equal(counts.pods, 1);
	free(huge);
}

static void test_relist_sweeps_what_was_not_put(void **state)
{
	struct world *world = *state;
	uint32_t begun;

	put(world, event("a", "stays", "1", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	put(world, event("a", "goes", "2", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	put(world, event("a", "changes", "3", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	while (next(world)[0])
		;
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), KEV_STR("web"), 0), 0);
	next(world);
	/* One that breaks off deletes nothing. */
	begun = kev_store_relist_begin(world->store);
	put(world, event("a", "goes", "2", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	begun = kev_store_relist_begin(world->store);
	put(world, event("a", "new", "9", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	put(world, event("a", "stays", "1", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	put(world, event("a", "changes", "4", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	kev_store_relist_end(world->store, KEV_SCOPE_EVENTS, KEV_STR(""), begun);
	assert_string_equal(next(world), "+a/new@9");
	assert_string_equal(next(world), "a/changes@3->4");
	assert_string_equal(next(world), "-a/goes@2");
	assert_string_equal(next(world), "");
}

static void test_relist_keeps_to_its_scope(void **state)
{
	struct world *world = *state;
	uint32_t events, pods;

	put(world, event("a", "x", "1", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	put(world, event("b", "y", "2", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), KEV_STR("p"), 0), 0);
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("b"), KEV_STR("q"), 0), 0);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("a"), 0), 0);
	while (next(world)[0])
		;
	events = kev_store_relist_begin(world->store);
	/* They overlap: what is put in between counts for both. */
	assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), KEV_STR("p"), 0), 0);
	pods = kev_store_relist_begin(world->store);
	kev_store_relist_end(world->store, KEV_SCOPE_EVENTS, KEV_STR("b"), events);
	assert_string_equal(next(world), "-b/y@2");
	assert_string_equal(next(world), "");
	kev_store_relist_end(world->store, KEV_SCOPE_PODS, KEV_STR("b"), pods);
	assert_string_equal(next(world), "-pod b/q@0");
	assert_string_equal(next(world), "");
	kev_store_relist_end(world->store, KEV_SCOPE_PODS, KEV_STR(""), events);
	assert_string_equal(next(world), "");
	kev_store_relist_end(world->store, KEV_SCOPE_NAMESPACES, KEV_STR(""), events);
	assert_string_equal(next(world), "-namespace a@0");
}

static void test_relist_sweeps_many(void **state)
{
	struct world *world = *state;
	struct kev_store_counts counts;
	char name[32];
	uint32_t begun;
	int deleted = 0;

	for (int i = 0; i < 700; i++) {
		snprintf(name, sizeof(name), "pod-%d", i);
		assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), kev_str_c(name), 0), 0);
		next(world);
	}
	begun = kev_store_relist_begin(world->store);
	for (int i = 0; i < 700; i += 100) {
		snprintf(name, sizeof(name), "pod-%d", i);
		assert_int_equal(kev_store_put_pod(world->store, KEV_STR("a"), kev_str_c(name), 0), 0);
	}
	kev_store_relist_end(world->store, KEV_SCOPE_PODS, KEV_STR(""), begun);
	while (next(world)[0])
		deleted++;
	assert_int_equal(deleted, 693);
	kev_store_counts(world->store, &counts);
	assert_int_equal(counts.pods, 7);
}

static void test_kinds(void **state)
{
	struct world *world = *state;
	struct kev_kinds *kinds = kev_store_kinds(world->store), *other = kev_kinds_create();
	struct kev_str group, plural;

	assert_non_null(other);
	assert_true(kev_kinds_find(kinds, KEV_STR("v1"), KEV_STR("Pod"), &group, &plural));
	kev_store_set_kinds(world->store, other);
	/* The reference is still good. */
	assert_true(kev_kinds_find(kinds, KEV_STR("v1"), KEV_STR("Pod"), &group, &plural));
	kev_kinds_unref(kinds);
	kinds = kev_store_kinds(world->store);
	assert_ptr_equal(kinds, other);
	kev_kinds_unref(kinds);
}

/* What a walk saw: numbers of each, and their sum as a check. */
struct seen {
	int events, pods, namespaces, order;
	int64_t created;
	int stop_at; /* the visit that fails; 0 none */
};

static int visit(struct seen *seen, int order)
{
	assert_true(order >= seen->order);
	seen->order = order;
	return seen->events + seen->pods + seen->namespaces == seen->stop_at ? 77 : 0;
}

static int visit_event(void *context, struct kev_event *e)
{
	struct seen *seen = context;

	assert_str_equal(kev_event_namespace(e), KEV_STR("a"));
	seen->events++;
	return visit(seen, 0);
}

static int visit_pod(void *context, struct kev_str namespace_, struct kev_str name, int64_t created)
{
	struct seen *seen = context;

	assert_str_equal(namespace_, KEV_STR("ns"));
	assert_true(kev_str_starts(name, KEV_STR("p")));
	assert_int_equal(created, (int64_t)name.len * S);
	seen->pods++;
	return visit(seen, 1);
}

static int visit_namespace(void *context, struct kev_str name, int64_t created)
{
	struct seen *seen = context;

	assert_str_equal(name, KEV_STR("ns"));
	assert_int_equal(created, NOON);
	seen->namespaces++;
	return visit(seen, 2);
}

static void test_walk_sees_everything(void **state)
{
	struct world *world = *state;
	struct seen seen = {.events = 0};
	struct kev_store_visitor visitor = {
		.event = visit_event, .pod = visit_pod, .namespace_ = visit_namespace, .context = &seen};
	static const char *const pods[] = {"p", "po", "pod", "pod-", "pod-1"};

	put(world, event("a", "x", "1", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	put(world, event("a", "y", "2", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	for (size_t i = 0; i < KEV_ARRAY_LEN(pods); i++)
		assert_int_equal(kev_store_put_pod(world->store, KEV_STR("ns"), kev_str_c(pods[i]),
					 (int64_t)strlen(pods[i]) * S),
			0);
	assert_int_equal(kev_store_put_namespace(world->store, KEV_STR("ns"), NOON), 0);
	assert_int_equal(kev_store_walk(world->store, &visitor), 0);
	assert_int_equal(seen.events, 2);
	assert_int_equal(seen.pods, 5);
	assert_int_equal(seen.namespaces, 1);
	for (int i = 1; i <= 8; i++) {
		seen = (struct seen){.stop_at = i};
		assert_int_equal(kev_store_walk(world->store, &visitor), 77);
		assert_int_equal(seen.events + seen.pods + seen.namespaces, i);
	}
	visitor = (struct kev_store_visitor){.context = &seen};
	assert_int_equal(kev_store_walk(world->store, &visitor), 0);
}

/* The callbacks may use the store: the lock is not held. */
static int delete_visited(void *context, struct kev_event *e)
{
	struct world *world = context;

	kev_store_delete(world->store, kev_event_namespace(e), kev_event_name(e, ROOM));
	return 0;
}

static void test_walk_holds_no_lock(void **state)
{
	struct world *world = *state;
	const struct kev_store_visitor visitor = {.event = delete_visited, .context = world};
	struct kev_store_counts counts;
	char name[32];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		put(world, event("a", name, "1", "11:00:00", "m"), KEV_ORIGIN_LIVE);
	}
	assert_int_equal(kev_store_walk(world->store, &visitor), 0);
	kev_store_counts(world->store, &counts);
	assert_int_equal(counts.events, 0);
}

static void *read_all(void *context)
{
	struct world *world = context;
	struct seen seen = {.events = 0};
	const struct kev_store_visitor visitor = {.event = visit_event, .context = &seen};

	for (int i = 0; i < 200; i++) {
		struct kev_store_counts counts;

		seen = (struct seen){.events = 0};
		kev_kinds_unref(kev_store_kinds(world->store));
		kev_store_counts(world->store, &counts);
		if (kev_store_walk(world->store, &visitor) != 0 || seen.events > 50)
			return world;
	}
	return NULL;
}

static void test_readers_beside_the_writer(void **state)
{
	struct world *world = *state;
	pthread_t threads[2];
	char name[32];

	for (size_t i = 0; i < KEV_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, world), 0);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "n%d", i % 50);
		if (i % 3 == 2)
			kev_store_delete(world->store, KEV_STR("a"), kev_str_c(name));
		else
			put(world, event("a", name, i % 2 ? "1" : "2", "11:00:00", "m"), KEV_ORIGIN_LIVE);
		if (i % 100 == 0)
			kev_store_set_kinds(world->store, kev_kinds_create_builtin());
	}
	for (size_t i = 0; i < KEV_ARRAY_LEN(threads); i++) {
		void *failed = NULL;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_put_create_update_delete),
		TEST(test_put_same_revision_is_no_change),
		TEST(test_put_counts_names_without_a_time),
		TEST(test_put_namespaces_keep_names_apart),
		TEST(test_ctime_first_sync),
		TEST(test_ctime_first_sync_opaque_revision),
		TEST(test_ctime_first_sync_repeated),
		TEST(test_ctime_live_increases),
		TEST(test_ctime_live_passes_first_sync),
		TEST(test_put_pod),
		TEST(test_put_namespace),
		TEST(test_put_pod_refuses),
		TEST(test_relist_sweeps_what_was_not_put),
		TEST(test_relist_keeps_to_its_scope),
		TEST(test_relist_sweeps_many),
		TEST(test_kinds),
		TEST(test_walk_sees_everything),
		TEST(test_walk_holds_no_lock),
		TEST(test_readers_beside_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
