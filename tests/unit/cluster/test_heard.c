#include "../test.h"

#include "kevfs/cluster/heard.h"

static void test_begin_numbers_connections(void **state)
{
	struct kev_heard heard;

	(void)state;
	kev_heard_init(&heard);
	assert_int_equal(heard.newest, 0);
	assert_int_equal(kev_heard_begin(&heard, 1000, true, 0, 10), 1);
	/* The next request finds it. */
	assert_int_equal(kev_heard_begin(&heard, 1000, false, 20, 21), 1);
	assert_int_equal(kev_heard_begin(&heard, 2000, true, 30, 31), 2);
	assert_int_equal(kev_heard_begin(&heard, 1000, false, 40, 41), 1);
	assert_int_equal(heard.newest, 2);
	/* What is not known is none of them. */
	assert_int_equal(kev_heard_begin(&heard, 0, true, 50, 51), 0);
	assert_int_equal(heard.newest, 2);
}

/* The one that waited for the connection is answered first. */
static void test_begin_in_another_order(void **state)
{
	struct kev_heard heard;

	(void)state;
	kev_heard_init(&heard);
	assert_int_equal(kev_heard_begin(&heard, 1000, false, 5, 10), 1);
	assert_int_equal(kev_heard_begin(&heard, 1000, true, 4, 12), 1);
	assert_int_equal(heard.newest, 1);
}

static void test_begin_of_a_port_that_is_used_again(void **state)
{
	struct kev_heard heard;

	(void)state;
	kev_heard_init(&heard);
	assert_int_equal(kev_heard_begin(&heard, 1000, true, 0, 10), 1);
	assert_int_equal(kev_heard_begin(&heard, 1000, true, 20, 21), 2);
	assert_int_equal(kev_heard_begin(&heard, 1000, false, 30, 31), 2);
	assert_int_equal(kev_heard_last(&heard, 1), 10);
	assert_int_equal(kev_heard_last(&heard, 2), 31);
}

static void test_more(void **state)
{
	struct kev_heard heard;

	(void)state;
	kev_heard_init(&heard);
	kev_heard_more(&heard, 0, 5);
	kev_heard_more(&heard, 7, 5);
	assert_int_equal(kev_heard_last(&heard, 0), INT64_MIN);
	assert_int_equal(kev_heard_last(&heard, 7), INT64_MIN);
	assert_int_equal(kev_heard_begin(&heard, 1000, true, 0, 10), 1);
	assert_int_equal(kev_heard_begin(&heard, 2000, true, 0, 10), 2);
	kev_heard_more(&heard, 2, 20);
	assert_int_equal(kev_heard_last(&heard, 1), 10);
	assert_int_equal(kev_heard_last(&heard, 2), 20);
}

/* Of too many, the one that was silent for longest is forgotten. */
static void test_begin_many(void **state)
{
	struct kev_heard heard;

	(void)state;
	kev_heard_init(&heard);
	for (int i = 1; i <= KEV_HEARD_MAX; i++)
		assert_int_equal(kev_heard_begin(&heard, i, true, i, i), i);
	kev_heard_more(&heard, 1, 1000);
	assert_int_equal(kev_heard_begin(&heard, 5000, true, 1001, 1001), KEV_HEARD_MAX + 1);
	assert_int_equal(kev_heard_last(&heard, 1), 1000);
	assert_int_equal(kev_heard_last(&heard, 2), INT64_MIN);
	assert_int_equal(kev_heard_last(&heard, 3), 3);
}

static void test_last_of_all(void **state)
{
	struct kev_heard heard;

	(void)state;
	kev_heard_init(&heard);
	assert_int_equal(kev_heard_last_of_all(&heard), INT64_MIN);
	kev_heard_begin(&heard, 7, true, 1, 2);
	kev_heard_begin(&heard, 8, true, 3, 4);
	assert_int_equal(kev_heard_last_of_all(&heard), 4);
	kev_heard_more(&heard, 1, 9);
	assert_int_equal(kev_heard_last_of_all(&heard), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin_numbers_connections),
		cmocka_unit_test(test_begin_in_another_order),
		cmocka_unit_test(test_begin_of_a_port_that_is_used_again),
		cmocka_unit_test(test_more),
		cmocka_unit_test(test_begin_many),
		cmocka_unit_test(test_last_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
