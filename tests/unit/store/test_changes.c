#include "../test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../room.h"
#include "../words.h"
#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/store/changes.h"

static void append(struct kev_changes *changes, int number)
{
	struct kev_change change = {.kind = KEV_CHANGE_POD, .created = number, .present = true};

	change.namespace_ = strdup("default");
	change.name = strdup("web");
	assert_non_null(change.namespace_);
	assert_non_null(change.name);
	kev_changes_append(changes, &change);
}

/* A journal whose reader has heard that it begins empty. */
static struct kev_changes *create(size_t max)
{
	struct kev_changes *changes = kev_changes_create(max);
	bool resync = false;

	assert_non_null(changes);
	assert_int_equal(kev_changes_take(changes, NULL, 0, 0, &resync), 0);
	assert_true(resync);
	return changes;
}

/* Take everything; it must be the numbers first to last. */
static void check(struct kev_changes *changes, size_t at_once, int first, int last, bool expect_resync)
{
	struct kev_change *out = calloc(at_once, sizeof(*out));
	bool resync = false;
	size_t count;

	assert_non_null(out);
	do {
		count = kev_changes_take(changes, out, at_once, 0, &resync);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(out[i].created, first++);
			assert_string_equal(out[i].name, "web");
			kev_change_fini(&out[i]);
			assert_null(out[i].name);
		}
	} while (count > 0);
	assert_int_equal(first, last + 1);
	assert_int_equal(resync, expect_resync);
	free(out);
}

static void test_take_new_says_resync(void **state)
{
	struct kev_changes *changes = kev_changes_create(4);

	(void)state;
	assert_non_null(changes);
	/* What comes before the reader has heard of it is in the store, where it will look. */
	append(changes, 1);
	check(changes, 4, 1, 0, true);
	append(changes, 2);
	check(changes, 4, 2, 2, false);
	kev_changes_destroy(changes);
	kev_changes_destroy(NULL);
}

static void test_take_keeps_order(void **state)
{
	struct kev_changes *changes = create(5);
	int next = 0, taken = 0;

	(void)state;
	/* Round and round the ring. */
	for (int i = 0; i < 20; i++) {
		for (int j = 0; j <= i % 5; j++)
			append(changes, next++);
		check(changes, (size_t)(1 + i % 3), taken, next - 1, false);
		taken = next;
	}
	kev_changes_destroy(changes);
}

static void test_append_overflow_says_resync(void **state)
{
	struct kev_changes *changes = create(4);
	struct kev_change out[4];
	bool resync = false;

	(void)state;
	for (int i = 0; i < 4; i++)
		append(changes, i);
	append(changes, 4); /* one too many: everything goes, this one too */
	append(changes, 5);
	assert_int_equal(kev_changes_take(changes, out, 4, -1, &resync), 0);
	assert_true(resync);
	append(changes, 6);
	check(changes, 4, 6, 6, false);
	kev_changes_destroy(changes);
}

static void test_append_full_is_no_overflow(void **state)
{
	struct kev_changes *changes = create(4);

	(void)state;
	for (int i = 0; i < 4; i++)
		append(changes, i);
	check(changes, 4, 0, 3, false);
	kev_changes_destroy(changes);
}

static void test_lose_says_resync(void **state)
{
	struct kev_changes *changes = create(4);

	(void)state;
	append(changes, 1);
	kev_changes_lose(changes);
	check(changes, 4, 1, 0, true);
	append(changes, 2);
	check(changes, 4, 2, 2, false);
	kev_changes_destroy(changes);
}

static void test_take_times_out(void **state)
{
	struct kev_changes *changes = create(4);
	struct kev_change out[1];
	const struct kev_clock *clock = kev_clock_system();
	int64_t start = kev_clock_monotonic(clock);
	bool resync = false;

	(void)state;
	assert_int_equal(kev_changes_take(changes, out, 1, 30, &resync), 0);
	assert_true(kev_clock_monotonic(clock) - start >= 30 * KEV_NS_PER_MS);
	assert_false(resync);
	kev_changes_destroy(changes);
}

static void *append_later(void *context)
{
	for (int i = 0; i < 1000; i++)
		append(context, i);
	return NULL;
}

static void test_take_waits_for_another_thread(void **state)
{
	struct kev_changes *changes = create(2000);
	struct kev_change out[7];
	pthread_t thread;
	bool resync = false;
	int next = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, append_later, changes), 0);
	while (next < 1000) {
		size_t count = kev_changes_take(changes, out, KEV_ARRAY_LEN(out), -1, &resync);

		assert_true(count > 0);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(out[i].created, next++);
			kev_change_fini(&out[i]);
		}
	}
	assert_false(resync);
	pthread_join(thread, NULL);
	kev_changes_destroy(changes);
}

static void *close_later(void *context)
{
	const struct timespec moment = {0, 10 * KEV_NS_PER_MS};

	nanosleep(&moment, NULL);
	kev_changes_close(context);
	return NULL;
}

static void test_close_wakes_for_good(void **state)
{
	struct kev_changes *changes = create(4);
	struct kev_change out[4];
	pthread_t thread;
	bool resync = false;

	(void)state;
	assert_false(kev_changes_closed(changes));
	assert_int_equal(pthread_create(&thread, NULL, close_later, changes), 0);
	assert_int_equal(kev_changes_take(changes, out, 4, -1, &resync), 0);
	pthread_join(thread, NULL);
	assert_true(kev_changes_closed(changes));
	append(changes, 1);
	assert_int_equal(kev_changes_take(changes, out, 4, -1, &resync), 0);
	kev_changes_lose(changes);
	assert_int_equal(kev_changes_take(changes, out, 4, 1000, &resync), 0);
	assert_false(resync);
	kev_changes_destroy(changes);
}

static struct kev_event *make_event(const char *name)
{
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();
	struct kev_event *event = NULL;
	struct kev_error error;
	char text[64];

	assert_non_null(json);
	snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"%s\"}}", name);
	assert_int_equal(kev_json_scan(json, kev_str_c(text), &error), 0);
	assert_int_equal(kev_event_create(json, 0, words(), &event, &error), 0);
	return event;
}

/* What a store would hold, by the letter that is its name. */
static struct kev_event *held[26];

static int forget_held(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(held); i++) {
		kev_event_unref(held[i]);
		held[i] = NULL;
	}
	return 0;
}

/* A revision; it replaces the one that there is of that name. */
static void append_event(struct kev_changes *changes, const char *name)
{
	struct kev_change change = {.kind = KEV_CHANGE_EVENT, .event = make_event(name)};
	struct kev_event **current = &held[name[0] - 'a'];

	change.old = *current;
	*current = kev_event_ref(change.event);
	kev_changes_append(changes, &change);
}

static void append_deletion(struct kev_changes *changes, const char *name)
{
	struct kev_change change = {.kind = KEV_CHANGE_EVENT, .old = held[name[0] - 'a']};

	held[name[0] - 'a'] = NULL;
	kev_changes_append(changes, &change);
}

/* That it is gone, or (0) back. */
static void append_gone(struct kev_changes *changes, const char *name, int64_t gone)
{
	struct kev_change change = {
		.kind = KEV_CHANGE_GONE, .event = kev_event_ref(held[name[0] - 'a']), .gone = gone};

	kev_changes_append(changes, &change);
}

/* Take what was lost; it must be events of these one-letter names. */
static void check_lost(struct kev_changes *changes, const char *names, uint64_t expect_missing)
{
	struct kev_record **lost;
	uint64_t missing;
	size_t count = kev_changes_take_lost(changes, &lost, &missing);

	assert_int_equal(count, strlen(names));
	assert_int_equal(missing, expect_missing);
	for (size_t i = 0; i < count; i++) {
		const struct kev_str name = {names + i, 1};

		assert_str_equal(kev_event_name(kev_record_occurrence(lost[i]).event, ROOM), name);
	}
	kev_records_free(lost, count);
}

/* Take what there is. @return how many; -1: a resync */
static int take_all(struct kev_changes *changes)
{
	struct kev_change out[8];
	bool resync = false;
	size_t count = kev_changes_take(changes, out, KEV_ARRAY_LEN(out), 0, &resync);

	for (size_t i = 0; i < count; i++)
		kev_change_fini(&out[i]);
	return resync ? -1 : (int)count;
}

/* What is replaced is in memory for the journal alone; what is new is the store's as well. */
static void test_append_is_bounded_by_bytes(void **state)
{
	struct kev_event *event = make_event("a");
	struct kev_changes *changes = create(100);

	(void)state;
	kev_changes_limit_bytes(changes, 2 * kev_event_size(event));
	append_event(changes, "a");
	append_event(changes, "a");
	append_event(changes, "b");
	append_event(changes, "b");
	assert_int_equal(take_all(changes), 4);
	/* What was taken does not count. */
	append_event(changes, "a");
	append_deletion(changes, "b");
	assert_int_equal(take_all(changes), 2);
	append_event(changes, "a");
	append_event(changes, "a");
	append_event(changes, "a");
	assert_int_equal(take_all(changes), -1);
	append_event(changes, "a");
	append_event(changes, "a");
	assert_int_equal(take_all(changes), 2);
	kev_changes_destroy(changes);
	kev_event_unref(event);
}

static void test_take_lost_keeps_order(void **state)
{
	struct kev_changes *changes = kev_changes_create(3);
	bool resync = false;

	(void)state;
	assert_non_null(changes);
	kev_changes_keep_lost(changes, 1 << 20);
	append_event(changes, "a");
	append_event(changes, "b");
	assert_int_equal(kev_changes_take(changes, NULL, 0, 0, &resync), 0);
	assert_true(resync);
	check_lost(changes, "ab", 0);
	check_lost(changes, "", 0);
	/* What the journal held is lost first, then what did not fit, then what comes until the reader hears
	 * of it. */
	append_event(changes, "c");
	append_deletion(changes, "b");
	append(changes, 1);
	append_event(changes, "d");
	append_event(changes, "e");
	check(changes, 4, 1, 0, true);
	append_event(changes, "f");
	check_lost(changes, "cde", 0);
	kev_changes_lose(changes);
	check(changes, 4, 1, 0, true);
	check_lost(changes, "f", 0);
	append_event(changes, "g");
	kev_changes_lose(changes);
	kev_changes_destroy(changes);
}

/* A journal that has lost everything, and keeps what only it has of so many events. */
static struct kev_changes *create_lost(size_t events)
{
	struct kev_changes *changes = kev_changes_create(3);
	struct kev_event *event = make_event("a");

	assert_non_null(changes);
	kev_changes_keep_lost(changes, events * kev_event_size(event));
	kev_event_unref(event);
	return changes;
}

static void test_take_lost_is_bounded(void **state)
{
	struct kev_changes *changes = create_lost(2);

	(void)state;
	append_event(changes, "a");
	append_event(changes, "b");
	append_event(changes, "a");
	append_event(changes, "b");
	append_event(changes, "c");
	append_event(changes, "b");
	check_lost(changes, "babcb", 1);
	kev_changes_destroy(changes);
}

/* What is deleted again is held by nobody else. */
static void test_take_lost_is_bounded_where_events_are_deleted(void **state)
{
	struct kev_changes *changes = create_lost(2);

	(void)state;
	for (int c = 'a'; c <= 'h'; c++) {
		const char name[] = {(char)c, '\0'};

		append_event(changes, name);
		append_deletion(changes, name);
	}
	check_lost(changes, "gh", 6);
	kev_changes_destroy(changes);
}

/* The end of what came before costs nothing, however much it is: all that was seen since is kept. */
static void test_take_lost_the_end_of_others(void **state)
{
	struct kev_changes *changes = create_lost(2);
	bool resync = false;

	(void)state;
	for (int c = 'a'; c <= 'h'; c++)
		append_event(changes, (const char[]){(char)c, '\0'});
	assert_int_equal(kev_changes_take(changes, NULL, 0, 0, &resync), 0);
	check_lost(changes, "abcdefgh", 0);
	kev_changes_lose(changes);
	append_event(changes, "x");
	for (int c = 'a'; c <= 'h'; c++)
		append_deletion(changes, (const char[]){(char)c, '\0'});
	append_event(changes, "y");
	append_event(changes, "x");
	check_lost(changes, "xyx", 0);
	kev_changes_destroy(changes);
}

/* An event that is gone, and back, counts once, and what is told of it: over many of them, too. */
static void test_take_lost_is_bounded_where_events_are_gone(void **state)
{
	struct kev_changes *changes = create_lost(10);
	struct kev_event *event = make_event("a");
	size_t all = kev_event_size(event) + 2 * sizeof(struct kev_occurrence);
	size_t fit = 10 * kev_event_size(event) / all, count;
	struct kev_record **lost;
	uint64_t missing;

	(void)state;
	kev_event_unref(event);
	for (int i = 0; i < 1000; i++) {
		append_event(changes, "a");
		append_gone(changes, "a", 1);
		append_gone(changes, "a", 0);
		append_deletion(changes, "a");
	}
	count = kev_changes_take_lost(changes, &lost, &missing);
	assert_int_equal(count + missing, 3000);
	assert_in_range(count, 3 * fit, 3 * fit + 2);
	kev_records_free(lost, count);
	kev_changes_destroy(changes);
}

/* The order stays while the array is used again from its beginning. */
static void test_take_lost_many(void **state)
{
	struct kev_changes *changes = create_lost(5);

	(void)state;
	for (int i = 0; i < 5000; i++) {
		append_event(changes, (const char[]){(char)('a' + i % 26), '\0'});
		append_deletion(changes, (const char[]){(char)('a' + i % 26), '\0'});
	}
	check_lost(changes, "defgh", 4995);
	kev_changes_destroy(changes);
}

static void test_take_lost_nothing_is_kept_by_itself(void **state)
{
	struct kev_changes *changes = kev_changes_create(3);

	(void)state;
	assert_non_null(changes);
	append_event(changes, "a");
	check_lost(changes, "", 0);
	kev_changes_destroy(changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_new_says_resync),
		cmocka_unit_test(test_take_keeps_order),
		cmocka_unit_test(test_append_overflow_says_resync),
		cmocka_unit_test(test_append_full_is_no_overflow),
		cmocka_unit_test(test_lose_says_resync),
		cmocka_unit_test(test_take_times_out),
		cmocka_unit_test(test_take_waits_for_another_thread),
		cmocka_unit_test(test_close_wakes_for_good),
		cmocka_unit_test_teardown(test_append_is_bounded_by_bytes, forget_held),
		cmocka_unit_test_teardown(test_take_lost_keeps_order, forget_held),
		cmocka_unit_test_teardown(test_take_lost_is_bounded, forget_held),
		cmocka_unit_test_teardown(test_take_lost_is_bounded_where_events_are_deleted, forget_held),
		cmocka_unit_test_teardown(test_take_lost_the_end_of_others, forget_held),
		cmocka_unit_test_teardown(test_take_lost_is_bounded_where_events_are_gone, forget_held),
		cmocka_unit_test_teardown(test_take_lost_many, forget_held),
		cmocka_unit_test_teardown(test_take_lost_nothing_is_kept_by_itself, forget_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
