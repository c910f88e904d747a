#include "../test.h"

#include <pthread.h>
#include <string.h>

#include "kevfs/store/meter.h"

#define THREADS 4
#define ROUNDS 20000

static int set_up(void **state)
{
	*state = kev_meter_create();
	assert_non_null(*state);
	return 0;
}

static int tear_down(void **state)
{
	kev_meter_destroy(*state);
	kev_meter_destroy(NULL);
	return 0;
}

static void test_add(void **state)
{
	struct kev_meter *meter = *state;

	for (int i = 0; i < KEV_METER_COUNTERS; i++)
		assert_int_equal(kev_meter_get(meter, (enum kev_meter_counter)i), 0);
	kev_meter_add(meter, KEV_METER_SKIPPED, 2);
	kev_meter_add(meter, KEV_METER_SKIPPED, 3);
	assert_int_equal(kev_meter_get(meter, KEV_METER_SKIPPED), 5);
	assert_int_equal(kev_meter_get(meter, KEV_METER_UNTIMED), 0);
}

static void test_answered_is_sorted_by_its_time(void **state)
{
	static const struct {
		int64_t ns;
		unsigned bound;
	} cases[] = {{-5, 0}, {0, 0}, {10000, 0}, {10001, 1}, {100000, 1}, {KEV_NS_PER_MS, 2},
		{10 * KEV_NS_PER_MS, 3}, {100 * KEV_NS_PER_MS, 4}, {KEV_NS_PER_SEC, 5},
		{KEV_NS_PER_SEC + 1, 6}, {INT64_MAX, 6}};
	struct kev_meter_times times;

	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_meter *meter = kev_meter_create();
		struct kev_meter_mark *mark = kev_meter_begin(meter, KEV_METER_ANSWERING, 7);

		(void)state;
		kev_meter_answered(meter, mark, KEV_METER_READ, cases[i].ns, i % 2);
		kev_meter_times(meter, KEV_METER_READ, &times);
		for (unsigned bound = 0; bound <= KEV_METER_BOUNDS; bound++)
			assert_int_equal(times.counts[bound], bound == cases[i].bound);
		assert_int_equal(times.failed, i % 2);
		assert_true(times.ns == (cases[i].ns < 0 ? 0 : (uint64_t)cases[i].ns));
		kev_meter_times(meter, KEV_METER_LOOKUP, &times);
		assert_int_equal(times.counts[cases[i].bound], 0);
		kev_meter_destroy(meter);
	}
}

static void test_longest(void **state)
{
	struct kev_meter *meter = *state;
	struct kev_meter_mark *first, *second, *feed;

	assert_int_equal(kev_meter_longest(meter, KEV_METER_ANSWERING, 1000), 0);
	first = kev_meter_begin(meter, KEV_METER_ANSWERING, 100);
	second = kev_meter_begin(meter, KEV_METER_ANSWERING, 300);
	assert_non_null(first);
	assert_non_null(second);
	assert_ptr_not_equal(first, second);
	assert_int_equal(kev_meter_longest(meter, KEV_METER_ANSWERING, 1000), 900);
	assert_int_equal(kev_meter_longest(meter, KEV_METER_NOTIFYING, 1000), 0);
	kev_meter_end(first);
	assert_int_equal(kev_meter_longest(meter, KEV_METER_ANSWERING, 1000), 700);
	kev_meter_renew(second, 900);
	assert_int_equal(kev_meter_longest(meter, KEV_METER_ANSWERING, 1000), 100);
	kev_meter_end(second);
	assert_int_equal(kev_meter_longest(meter, KEV_METER_ANSWERING, 1000), 0);
	/* What is not due yet. */
	assert_false(kev_meter_is_at(meter, KEV_METER_FEEDING));
	feed = kev_meter_begin(meter, KEV_METER_FEEDING, 5000);
	assert_true(kev_meter_is_at(meter, KEV_METER_FEEDING));
	assert_int_equal(kev_meter_longest(meter, KEV_METER_FEEDING, 1000), 0);
	assert_int_equal(kev_meter_longest(meter, KEV_METER_FEEDING, 5001), 1);
	kev_meter_end(feed);
	assert_false(kev_meter_is_at(meter, KEV_METER_FEEDING));
}

static void test_begin_too_often(void **state)
{
	struct kev_meter *meter = *state;
	struct kev_meter_mark *marks[100] = {NULL};
	struct kev_meter_times times;
	size_t count = 0;

	while (count < KEV_ARRAY_LEN(marks) &&
		(marks[count] = kev_meter_begin(meter, KEV_METER_ANSWERING, 1)))
		count++;
	assert_in_range(count, 8, KEV_ARRAY_LEN(marks) - 1);
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(marks[i], marks[j]);
	}
	/* It is counted all the same. */
	kev_meter_answered(meter, NULL, KEV_METER_READ, 1, false);
	kev_meter_times(meter, KEV_METER_READ, &times);
	assert_int_equal(times.counts[0], 1);
	kev_meter_end(marks[count - 1]);
	assert_ptr_equal(kev_meter_begin(meter, KEV_METER_ANSWERING, 1), marks[count - 1]);
}

static void test_without_a_meter(void **state)
{
	struct kev_meter_times times;

	(void)state;
	kev_meter_add(NULL, KEV_METER_SKIPPED, 1);
	assert_int_equal(kev_meter_get(NULL, KEV_METER_SKIPPED), 0);
	assert_null(kev_meter_begin(NULL, KEV_METER_ANSWERING, 1));
	kev_meter_renew(NULL, 1);
	kev_meter_end(NULL);
	kev_meter_answered(NULL, NULL, KEV_METER_READ, 1, true);
	kev_meter_times(NULL, KEV_METER_READ, &times);
	assert_int_equal(times.counts[0] + times.failed + times.ns, 0);
	assert_int_equal(kev_meter_longest(NULL, KEV_METER_ANSWERING, 5), 0);
	assert_false(kev_meter_is_at(NULL, KEV_METER_ANSWERING));
}

static void *work(void *context)
{
	struct kev_meter *meter = context;

	for (int i = 0; i < ROUNDS; i++) {
		struct kev_meter_mark *mark = kev_meter_begin(meter, KEV_METER_ANSWERING, 50);

		kev_meter_answered(meter, mark, KEV_METER_LOOKUP, 3, i % 2);
		kev_meter_add(meter, KEV_METER_RESYNCS, 1);
		kev_meter_end(mark);
	}
	return NULL;
}

/* Nothing is lost, and no time is another's. */
static void test_many_threads(void **state)
{
	struct kev_meter *meter = *state;
	struct kev_meter_times times;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, meter), 0);
	for (int i = 0; i < ROUNDS; i++)
		assert_in_range(kev_meter_longest(meter, KEV_METER_ANSWERING, 60), 0, 10);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	kev_meter_times(meter, KEV_METER_LOOKUP, &times);
	assert_int_equal(times.counts[0], THREADS * ROUNDS);
	assert_int_equal(times.failed, THREADS * ROUNDS / 2);
	assert_int_equal(times.ns, 3 * THREADS * ROUNDS);
	assert_int_equal(kev_meter_get(meter, KEV_METER_RESYNCS), THREADS * ROUNDS);
	assert_false(kev_meter_is_at(meter, KEV_METER_ANSWERING));
}

static void test_operation_name(void **state)
{
	(void)state;
	for (int i = 0; i < KEV_METER_OPERATIONS; i++)
		assert_non_null(kev_meter_operation_name((enum kev_meter_operation)i));
	assert_string_equal(kev_meter_operation_name(KEV_METER_LISTXATTR), "listxattr");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_add),
		TEST(test_answered_is_sorted_by_its_time),
		TEST(test_longest),
		TEST(test_begin_too_often),
		TEST(test_without_a_meter),
		TEST(test_many_threads),
		TEST(test_operation_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
