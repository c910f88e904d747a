/* What the store lets go of where there is too much. */
#include "../room.h"
#include "../words.h"
#include "sample.h"

/* sample.h's events have no time: these are written at a second of that day. */
static struct kev_event *made(const char *name, const char *rv, unsigned second, const char *written)
{
	char text[2000];
	struct kev_json *json = kev_json_create();
	struct kev_event *out = NULL;
	struct kev_error error = {""};

	assert_non_null(json);
	snprintf(text, sizeof(text),
		"{\"metadata\":{\"namespace\":\"a\",\"name\":\"%s\",\"uid\":\"u-%s\",\"resourceVersion\":\"%"
		"s\","
		"\"creationTimestamp\":\"2026-07-01T%02u:%02u:%02uZ\"%s}",
		name, name, rv, second / 3600, second / 60 % 60, second % 60, written);
	assert_int_equal(kev_json_scan(json, kev_str_c(text), &error), 0);
	assert_int_equal(kev_event_create(json, 0, words(), &out, &error), 0);
	kev_json_destroy(json);
	return out;
}

static struct kev_event *written_at(const char *name, const char *rv, unsigned second, const char *message)
{
	char text[1000];

	snprintf(text, sizeof(text), "},\"message\":\"%s\"", message);
	return made(name, rv, second, text);
}

/* One that says of itself that it was written then; it was created at a second of that day. */
static struct kev_event *claims(const char *name, unsigned created, const char *written)
{
	char text[200];

	snprintf(text, sizeof(text), ",\"managedFields\":[{\"manager\":\"x\",\"time\":\"%s\"}]}", written);
	return made(name, "1", created, text);
}

static void put_at(struct world *world, const char *name, const char *rv, unsigned second)
{
	put(world, written_at(name, rv, second, ""), KEV_ORIGIN_LIVE);
}

static struct kev_store_counts counts(struct world *world)
{
	struct kev_store_counts out;

	kev_store_counts(world->store, &out);
	return out;
}

static int append_name(void *context, struct kev_event *e)
{
	struct kev_buf *names = context;

	kev_buf_append_str(names, kev_event_name(e, ROOM));
	kev_buf_append_char(names, ' ');
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Exactly these are in the store, given sorted. */
static void assert_holds(struct world *world, const char *expected)
{
	struct kev_buf names, sorted;
	const struct kev_store_visitor visitor = {.event = append_name, .context = &names};
	char *words[100], *text, *save = NULL;
	size_t count = 0;

	kev_buf_init(&names, 10000);
	kev_buf_init(&sorted, 10000);
	assert_int_equal(kev_store_walk(world->store, &visitor), 0);
	text = strdup(kev_buf_cstr(&names));
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[count++] = word;
	qsort(words, count, sizeof(*words), by_text);
	for (size_t i = 0; i < count; i++)
		kev_buf_printf(&sorted, "%s%s", i ? " " : "", words[i]);
	assert_string_equal(kev_buf_cstr(&sorted), expected);
	free(text);
	kev_buf_fini(&names);
	kev_buf_fini(&sorted);
}

/* The journal says these, as "+name" and "-name". */
static void assert_says(struct world *world, const char *expected)
{
	char text[2000] = "";
	struct kev_change c;
	bool resync = false;

	while (kev_changes_take(world->changes, &c, 1, 0, &resync)) {
		struct kev_str name = kev_event_name(c.event ? c.event : c.old, ROOM);

		assert_int_equal(c.kind, KEV_CHANGE_EVENT);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%.*s", text[0] ? " " : "",
			c.old ? (c.event ? "" : "-") : "+", (int)name.len, name.data);
		kev_change_fini(&c);
	}
	assert_false(resync);
	assert_string_equal(text, expected);
}

static void bound(struct world *world, uint64_t count, uint64_t bytes)
{
	kev_store_set_bounds(world->store, &(struct kev_bounds){count, bytes});
}

static void test_the_oldest_goes(void **state)
{
	struct world *world = *state;

	bound(world, 3, 0);
	put_at(world, "c", "1", 30);
	put_at(world, "a", "2", 10);
	put_at(world, "b", "3", 20);
	assert_int_equal(counts(world).evicted, 0);
	assert_int_equal(counts(world).evicted_since, 0);
	assert_says(world, "+c +a +b");
	put_at(world, "d", "4", 40);
	assert_holds(world, "b c d");
	assert_says(world, "+d -a");
	assert_int_equal(counts(world).evicted, 1);
	assert_int_equal(counts(world).evicted_since, world->now);
	/* One that is written to again is the newest. */
	put_at(world, "b", "5", 50);
	put_at(world, "e", "6", 60);
	assert_holds(world, "b d e");
	assert_says(world, "b +e -c");
}

/* A list brings again what was let go: nothing happens, in whatever order it comes. */
static void test_a_relist_changes_nothing(void **state)
{
	struct world *world = *state;
	char name[8];

	bound(world, 4, 0);
	for (int round = 0; round < 5; round++) {
		uint32_t begun = kev_store_relist_begin(world->store);

		for (unsigned i = 0; i < 10; i++) {
			unsigned n = (i * 7 + (unsigned)round * 3) % 10;

			snprintf(name, sizeof(name), "n%u", n);
			put_at(world, name, name + 1, n);
		}
		kev_store_relist_end(world->store, KEV_SCOPE_EVENTS, KEV_STR(""), begun);
		assert_holds(world, "n6 n7 n8 n9");
		if (round) {
			assert_says(world, "");
		} else {
			struct kev_change c;
			bool resync;

			while (kev_changes_take(world->changes, &c, 1, 0, &resync))
				kev_change_fini(&c);
		}
	}
	assert_int_equal(counts(world).evicted, 5 * 6);
	/* Once there is room, it comes in. */
	kev_store_delete(world->store, KEV_STR("a"), KEV_STR("n9"));
	put_at(world, "n5", "5", 5);
	assert_holds(world, "n5 n6 n7 n8");
}

/* Of the same second: by what they are, not by when they came. */
static void test_of_one_second(void **state)
{
	struct world *world = *state;

	bound(world, 2, 0);
	put_at(world, "b", "1", 10);
	put_at(world, "a", "2", 10);
	put_at(world, "c", "3", 10);
	assert_holds(world, "b c");
	put_at(world, "a", "2", 10);
	assert_holds(world, "b c");
}

static void test_bytes(void **state)
{
	struct world *world = *state;
	struct kev_event *e = written_at("a", "1", 10, "");
	uint64_t size = kev_event_size(e);
	char big[800] = "";

	kev_event_unref(e);
	assert_true(2 * size < sizeof(big));
	memset(big, 'x', 2 * size);
	bound(world, 0, 3 * size + 20);
	put_at(world, "a", "1", 10);
	put_at(world, "b", "2", 20);
	put_at(world, "c", "3", 30);
	assert_holds(world, "a b c");
	/* As many as it takes. */
	put(world, written_at("d", "4", 40, big), KEV_ORIGIN_LIVE);
	assert_true(counts(world).event_bytes <= 3 * size + 20);
	assert_holds(world, "d");
	/* What is too much by itself drives out nobody: an update, and a new one. */
	put(world, written_at("d", "5", 41, ""), KEV_ORIGIN_LIVE);
	put_at(world, "e", "6", 42);
	bound(world, 0, 2 * size + 20);
	put(world, written_at("e", "7", 43, big), KEV_ORIGIN_LIVE);
	assert_holds(world, "d");
	put(world, written_at("f", "8", 44, big), KEV_ORIGIN_LIVE);
	assert_holds(world, "d");
	assert_int_equal(counts(world).event_bytes, size);
	put_at(world, "g", "9", 45);
	assert_holds(world, "d g");
}

/* What is gone, and retained, goes in the same order, and nothing says that it went. */
static void test_with_retain(void **state)
{
	const struct kev_retain hour = {.age = 3600 * S};
	struct world *world = *state;

	kev_store_set_retain(world->store, &hour);
	bound(world, 2, 0);
	put_at(world, "a", "1", 10);
	put_at(world, "b", "2", 20);
	kev_store_delete(world->store, KEV_STR("a"), KEV_STR("a"));
	kev_store_delete(world->store, KEV_STR("a"), KEV_STR("b"));
	assert_int_equal(counts(world).retained, 2);
	put_at(world, "c", "3", 30);
	assert_holds(world, "b c");
	assert_int_equal(counts(world).retained, 1);
	world->now += 3600 * S;
	kev_store_expire(world->store);
	assert_holds(world, "c");
	put_at(world, "d", "4", 40);
	put_at(world, "e", "5", 50);
	assert_holds(world, "d e");
}

static void test_restored(void **state)
{
	struct world *world = *state;

	bound(world, 2, 0);
	for (unsigned i = 0; i < 4; i++) {
		char name[8];
		struct kev_event *e;

		snprintf(name, sizeof(name), "n%u", i);
		e = written_at(name, name + 1, (i * 3) % 4, "");
		kev_event_set_ctime(e, world->now);
		assert_int_equal(kev_store_restore(world->store, e, i == 3 ? world->now : 0), 0);
	}
	assert_holds(world, "n1 n2");
	assert_int_equal(counts(world).retained, 0);
	assert_int_equal(counts(world).evicted, 2);
}

#define FUTURE "2199-01-01T00:00:00Z"
#define NOON_SECOND (12 * 3600)

/* What is from the future is from now, when a watch brings it: whatever comes later is newer. */
static void test_a_storm_from_the_future(void **state)
{
	struct world *world = *state;
	char name[16];

	bound(world, 3, 0);
	put_at(world, "old", "1", 10);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "h%02u", i);
		put(world, claims(name, NOON_SECOND, FUTURE), KEV_ORIGIN_LIVE);
	}
	assert_int_equal(counts(world).events, 3);
	for (unsigned i = 1; i <= 3; i++) {
		world->now += S;
		snprintf(name, sizeof(name), "n%u", i);
		put_at(world, name, name + 1, NOON_SECOND + i);
	}
	assert_holds(world, "n1 n2 n3");
	/* Nor does an update make it younger than it is. */
	put(world, claims("n1", NOON_SECOND + 1, FUTURE), KEV_ORIGIN_LIVE);
	for (unsigned i = 4; i <= 6; i++) {
		world->now += S;
		snprintf(name, sizeof(name), "n%u", i);
		put_at(world, name, name + 1, NOON_SECOND + i);
	}
	assert_holds(world, "n4 n5 n6");
}

/* A list brings all of them again: none is from now because of that. */
static void test_a_list_from_the_future(void **state)
{
	static const enum kev_origin origins[] = {KEV_ORIGIN_FIRST_SYNC, KEV_ORIGIN_RELIST};
	struct world *world = *state;
	char name[16];

	bound(world, 3, 0);
	for (unsigned round = 0; round < 6; round++) {
		uint32_t begun = kev_store_relist_begin(world->store);

		for (unsigned i = 0; i < 20; i++) {
			snprintf(name, sizeof(name), "h%02u", i);
			put(world, claims(name, 3600, FUTURE), origins[round > 0]);
		}
		for (unsigned i = 1; i <= 3; i++) {
			snprintf(name, sizeof(name), "n%u", i);
			put(world, written_at(name, name + 1, 7200 + i, ""), origins[round > 0]);
		}
		kev_store_relist_end(world->store, KEV_SCOPE_EVENTS, KEV_STR(""), begun);
		assert_holds(world, "n1 n2 n3");
		world->now += S;
	}
}

/* The same from an archive. */
static void test_restored_from_the_future(void **state)
{
	struct world *world = *state;

	bound(world, 1, 0);
	for (unsigned i = 0; i < 2; i++) {
		struct kev_event *e = i ? claims("h", 3600, FUTURE) : written_at("n", "1", 7200, "");

		kev_event_set_ctime(e, world->now);
		assert_int_equal(kev_store_restore(world->store, e, 0), 0);
	}
	assert_holds(world, "n");
}

static void test_age(void **state)
{
	static const struct {
		const char *written;
		unsigned created;
		bool listed;
		int64_t age;
	} cases[] = {
		{"2026-07-01T11:59:59Z", 3600, true, NOON - S},
		{"2026-07-01T12:00:00Z", 3600, true, NOON},
		/* Clocks differ. */
		{"2026-07-01T12:10:00Z", 3600, true, NOON},
		{"2026-07-01T12:10:01Z", 3600, true, NOON - 11 * 3600 * S},
		{"2026-07-01T12:10:01Z", 3600, false, NOON},
		/* Nobody is created in the future. */
		{FUTURE, NOON_SECOND + 3600, true, NOON},
		{FUTURE, 3600, false, NOON},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_event *e = claims("a", cases[i].created, cases[i].written);

		assert_int_equal(kev_bounds_age(e, cases[i].listed, NOON), cases[i].age);
		kev_event_unref(e);
	}
}

/* Against the simplest that does the same: sorting. */
static void test_oldest(void **state)
{
	enum { COUNT = 300 };
	struct kev_oldest oldest;
	struct kev_aged events[COUNT];
	bool in[COUNT] = {false};
	uint32_t random = 1;

	(void)state;
	kev_oldest_init(&oldest);
	assert_null(kev_oldest_first(&oldest));
	for (unsigned i = 0; i < COUNT; i++) {
		char name[16];

		random = random * 1103515245 + 12345;
		snprintf(name, sizeof(name), "n%u", i);
		events[i].event = written_at(name, "1", 1, "");
		events[i].age = (random >> 16) % 50;
	}
	for (unsigned step = 0; step < 5000; step++) {
		const struct kev_aged *first = NULL;
		unsigned i;

		random = random * 1103515245 + 12345;
		i = (random >> 16) % COUNT;
		if (in[i]) {
			kev_oldest_remove(&oldest, events[i].event);
		} else {
			assert_int_equal(kev_oldest_reserve(&oldest), 0);
			kev_oldest_add(&oldest, events[i]);
		}
		in[i] = !in[i];
		for (i = 0; i < COUNT; i++) {
			if (in[i] && (!first || kev_oldest_is_before(events[i], *first)))
				first = &events[i];
		}
		assert_ptr_equal(kev_oldest_first(&oldest), first ? first->event : NULL);
	}
	for (unsigned i = 0; i < COUNT; i++)
		kev_event_unref(events[i].event);
	kev_oldest_fini(&oldest);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_the_oldest_goes),
		TEST(test_a_relist_changes_nothing),
		TEST(test_of_one_second),
		TEST(test_bytes),
		TEST(test_with_retain),
		TEST(test_restored),
		TEST(test_a_storm_from_the_future),
		TEST(test_a_list_from_the_future),
		TEST(test_restored_from_the_future),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
