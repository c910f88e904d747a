#include "../test.h"

#include "kevfs/base/defs.h"
#include "kevfs/store/wall.h"

#define S KEV_NS_PER_SEC
#define DAY (86400 * S)

/* 2026-07-01T12:00:00Z */
#define NOON (1782907200LL * S)

/* @param set  by how much the wall clock was. @return ns until it is believed */
static int64_t look(struct kev_wall *wall, int64_t passed, int64_t set, int64_t age)
{
	return kev_wall_wait(wall, (struct kev_moment){NOON + passed + set, 7 * S + passed}, age);
}

static void test_believed_after_ten_minutes(void **state)
{
	struct kev_wall wall = {.seen = false};

	(void)state;
	assert_int_equal(look(&wall, 0, 0, DAY), 600 * S);
	assert_int_equal(look(&wall, 599 * S, 0, DAY), S);
	assert_int_equal(look(&wall, 600 * S, 0, DAY), 0);
	assert_int_equal(look(&wall, 365 * DAY, 0, DAY), 0);
}

/* In either direction; and the one by which it is set right is one, too. */
static void test_step(void **state)
{
	const int64_t steps[] = {6 * S, -6 * S, DAY, -DAY, 365 * DAY, -NOON};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(steps); i++) {
		struct kev_wall wall = {.seen = false};

		assert_int_equal(look(&wall, 0, 0, DAY), 600 * S);
		assert_int_equal(look(&wall, 3600 * S, steps[i], DAY), 600 * S);
		assert_int_equal(look(&wall, 3601 * S, 0, DAY), 600 * S);
		assert_int_equal(look(&wall, 4000 * S, 0, DAY), 201 * S);
		assert_int_equal(look(&wall, 4201 * S, 0, DAY), 0);
		/* It stays. */
		assert_int_equal(look(&wall, 5000 * S, steps[i], DAY), 600 * S);
		assert_int_equal(look(&wall, 5600 * S, steps[i], DAY), 0);
	}
}

static void test_some_seconds_are_no_step(void **state)
{
	struct kev_wall wall = {.seen = false};

	(void)state;
	assert_int_equal(look(&wall, 0, 0, DAY), 600 * S);
	assert_int_equal(look(&wall, 500 * S, S, DAY), 100 * S);
	assert_int_equal(look(&wall, 600 * S, -5 * S, DAY), 0);
	/* Many of them are one. */
	assert_int_equal(look(&wall, 601 * S, -6 * S, DAY), 600 * S);
}

/* What has been kept for as long as the clocks agree is overdue by both of them. */
static void test_little_is_kept(void **state)
{
	struct kev_wall wall = {.seen = false};

	(void)state;
	assert_int_equal(look(&wall, 0, 0, 90 * S), 90 * S);
	assert_int_equal(look(&wall, 90 * S, 0, 90 * S), 0);
	assert_int_equal(look(&wall, 90 * S, 0, DAY), 510 * S);
	assert_int_equal(look(&wall, 91 * S, DAY, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_believed_after_ten_minutes),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_some_seconds_are_no_step),
		cmocka_unit_test(test_little_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
