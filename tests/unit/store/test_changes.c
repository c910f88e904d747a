#include "../test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
