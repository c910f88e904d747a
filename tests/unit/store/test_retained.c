#include "sample.h"

#include "kevfs/store/retained.h"

#define DAY (86400 * S)

static struct kev_event *events[200];

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(events); i++)
		events[i] = event("a", "x", "1", "text");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(events); i++)
		kev_event_unref(events[i]);
	return 0;
}

/* By clocks that agree. */
static struct kev_moment at(int64_t time)
{
	return (struct kev_moment){time, time - NOON + 7 * S};
}

static void add(struct kev_retained *retained, struct kev_event *e, int64_t now)
{
	assert_int_equal(kev_retained_add(retained, e, at(now)), 0);
}

static void test_age(void **state)
{
	const struct kev_retain hour = {.age = 3600 * S};
	struct kev_retained retained;

	(void)state;
	kev_retained_init(&retained);
	assert_null(kev_retained_overdue(&retained, &hour, at(NOON)));
	assert_int_equal(kev_retained_wait(&retained, &hour, at(NOON)), INT64_MAX);
	add(&retained, events[0], NOON);
	add(&retained, events[1], NOON + S);
	assert_int_equal(kev_event_gone(events[0]), NOON);
	assert_null(kev_retained_overdue(&retained, &hour, at(NOON + 3600 * S - 1)));
	assert_int_equal(kev_retained_wait(&retained, &hour, at(NOON + 3600 * S - 1)), 1);
	assert_ptr_equal(kev_retained_overdue(&retained, &hour, at(NOON + 3600 * S)), events[0]);
	assert_int_equal(kev_retained_wait(&retained, &hour, at(NOON + 3600 * S)), 0);
	kev_retained_remove(&retained, events[0]);
	assert_int_equal(kev_event_gone(events[0]), 0);
	assert_null(kev_retained_overdue(&retained, &hour, at(NOON + 3600 * S)));
	assert_ptr_equal(kev_retained_overdue(&retained, &hour, at(NOON + 3601 * S)), events[1]);
	kev_retained_fini(&retained);
	assert_int_equal(kev_event_gone(events[1]), NOON + S);
}

static void test_bytes_and_count(void **state)
{
	size_t size = kev_event_size(events[0]);
	const struct kev_retain two = {.count = 2}, bytes = {.bytes = size * 2},
				one = {.count = 1, .age = 10 * S};
	struct kev_retained retained;

	(void)state;
	kev_retained_init(&retained);
	add(&retained, events[0], NOON);
	add(&retained, events[1], NOON);
	assert_null(kev_retained_overdue(&retained, &two, at(NOON)));
	assert_null(kev_retained_overdue(&retained, &bytes, at(NOON)));
	assert_ptr_equal(kev_retained_overdue(&retained, &one, at(NOON)), events[0]);
	add(&retained, events[2], NOON);
	assert_ptr_equal(kev_retained_overdue(&retained, &two, at(NOON)), events[0]);
	assert_ptr_equal(kev_retained_overdue(&retained, &bytes, at(NOON)), events[0]);
	assert_int_equal(kev_retained_wait(&retained, &two, at(NOON)), INT64_MAX);
	/* Out of the midst. */
	kev_retained_remove(&retained, events[1]);
	assert_int_equal(retained.live, 2);
	assert_int_equal(retained.bytes, size * 2);
	assert_null(kev_retained_overdue(&retained, &two, at(NOON)));
	kev_retained_fini(&retained);
}

/* By a clock that was set back, and at one moment: the marks differ all the same. */
static void test_marks_increase(void **state)
{
	const struct kev_retain none = {.count = 100};
	struct kev_retained retained;

	(void)state;
	kev_retained_init(&retained);
	add(&retained, events[0], NOON);
	add(&retained, events[1], NOON);
	add(&retained, events[2], NOON - S);
	assert_int_equal(kev_event_gone(events[1]), NOON + 1);
	assert_int_equal(kev_event_gone(events[2]), NOON + 2);
	kev_retained_remove(&retained, events[0]);
	add(&retained, events[0], NOON);
	assert_int_equal(retained.live, 3);
	assert_null(kev_retained_overdue(&retained, &none, at(NOON)));
	assert_ptr_equal(
		kev_retained_overdue(&retained, &(struct kev_retain){.count = 2}, at(NOON)), events[1]);
	kev_retained_fini(&retained);
}

/* The clock was a year ahead when one went, and was set right: the others do not stay for a year. */
static void test_clock_set_back(void **state)
{
	const struct kev_retain day = {.age = DAY};
	struct kev_retained retained;
	int64_t start = at(NOON).monotonic;

	(void)state;
	kev_retained_init(&retained);
	assert_int_equal(
		kev_retained_add(&retained, events[0], (struct kev_moment){NOON + 365 * DAY, start}), 0);
	add(&retained, events[1], NOON + S);
	assert_int_equal(kev_event_gone(events[1]), NOON + 365 * DAY + 1);
	assert_null(kev_retained_overdue(&retained, &day, at(NOON + DAY - 1)));
	assert_int_equal(kev_retained_wait(&retained, &day, at(NOON + DAY - 1)), 1);
	assert_ptr_equal(kev_retained_overdue(&retained, &day, at(NOON + DAY)), events[0]);
	kev_retained_remove(&retained, events[0]);
	assert_null(kev_retained_overdue(&retained, &day, at(NOON + DAY)));
	assert_ptr_equal(kev_retained_overdue(&retained, &day, at(NOON + DAY + S)), events[1]);
	kev_retained_fini(&retained);
}

/* The wall clock is two days ahead for a moment, a second after one went: that went a second ago. */
static void test_step_forward_for_a_moment(void **state)
{
	const struct kev_retain day = {.age = DAY};
	const struct kev_moment ahead = {NOON + 2 * DAY, at(NOON + S).monotonic};
	struct kev_retained retained;

	(void)state;
	kev_retained_init(&retained);
	add(&retained, events[0], NOON);
	assert_null(kev_retained_overdue(&retained, &day, ahead));
	assert_int_equal(kev_retained_wait(&retained, &day, ahead), DAY - S);
	/* Nor does it go earlier where that lasts. */
	assert_null(kev_retained_overdue(
		&retained, &day, (struct kev_moment){NOON + 3 * DAY - 1, at(NOON + DAY).monotonic - 1}));
	assert_ptr_equal(kev_retained_overdue(&retained, &day, at(NOON + DAY)), events[0]);
	kev_retained_fini(&retained);
}

/* The same, where an earlier process has kept it: its mark alone says how old it is, by the wall clock. */
static void test_step_forward_for_a_moment_and_restored(void **state)
{
	const struct kev_retain day = {.age = DAY};
	struct kev_retained retained;
	int64_t start = at(NOON).monotonic;

	(void)state;
	kev_retained_init(&retained);
	assert_int_equal(kev_retained_restore(&retained, events[0], NOON - DAY / 2, at(NOON)), 0);
	add(&retained, events[1], NOON);
	assert_null(kev_retained_overdue(&retained, &day, at(NOON)));
	assert_int_equal(kev_retained_wait(&retained, &day, at(NOON)), DAY / 2);
	assert_null(kev_retained_overdue(&retained, &day, (struct kev_moment){NOON + DAY, start + 900 * S}));
	assert_int_equal(kev_retained_wait(&retained, &day, (struct kev_moment){NOON + DAY, start + 900 * S}),
		600 * S);
	assert_null(kev_retained_overdue(&retained, &day, at(NOON + 901 * S)));
	assert_null(kev_retained_overdue(&retained, &day, at(NOON + DAY / 2 - 1)));
	assert_ptr_equal(kev_retained_overdue(&retained, &day, at(NOON + DAY / 2)), events[0]);
	kev_retained_remove(&retained, events[0]);
	assert_null(kev_retained_overdue(&retained, &day, at(NOON + DAY - 1)));
	assert_ptr_equal(kev_retained_overdue(&retained, &day, at(NOON + DAY)), events[1]);
	kev_retained_fini(&retained);
}

/* It was restored, came, and went again here. */
static void test_restored_and_gone_again(void **state)
{
	const struct kev_retain day = {.age = DAY};
	const struct kev_moment ahead = {NOON + 9 * DAY, at(NOON + 3600 * S).monotonic};
	struct kev_retained retained;

	(void)state;
	kev_retained_init(&retained);
	assert_int_equal(kev_retained_restore(&retained, events[0], NOON - S, at(NOON)), 0);
	kev_retained_remove(&retained, events[0]);
	add(&retained, events[0], NOON + S);
	assert_null(kev_retained_overdue(&retained, &day, ahead));
	assert_int_equal(kev_retained_wait(&retained, &day, ahead), DAY - 3599 * S);
	kev_retained_fini(&retained);
}

/* The machine began in 1970, and its clock was set right then: it is believed after a while. */
static void test_clock_set_forward(void **state)
{
	const struct kev_retain day = {.age = DAY};
	const struct kev_moment early = {5 * S, 5 * S}, right = {NOON + DAY, 6 * S},
				later = {NOON + DAY + 600 * S, 606 * S};
	struct kev_retained retained;

	(void)state;
	kev_retained_init(&retained);
	assert_int_equal(kev_retained_restore(&retained, events[0], NOON, early), 0);
	assert_null(kev_retained_overdue(&retained, &day, early));
	assert_int_equal(kev_retained_wait(&retained, &day, early), DAY);
	assert_null(kev_retained_overdue(&retained, &day, (struct kev_moment){NOON + DAY - 1, 6 * S}));
	assert_null(kev_retained_overdue(&retained, &day, right));
	assert_int_equal(kev_retained_wait(&retained, &day, right), 600 * S);
	assert_ptr_equal(kev_retained_overdue(&retained, &day, later), events[0]);
	assert_int_equal(kev_retained_wait(&retained, &day, later), 0);
	kev_retained_fini(&retained);
}

/* The wall clock is never right: what was restored stays as long as what went here. */
static void test_clock_always_behind(void **state)
{
	const struct kev_retain day = {.age = DAY};
	struct kev_retained retained;

	(void)state;
	kev_retained_init(&retained);
	assert_int_equal(kev_retained_restore(&retained, events[0], NOON, (struct kev_moment){S, S}), 0);
	assert_null(kev_retained_overdue(&retained, &day, (struct kev_moment){DAY + S - 1, DAY + S - 1}));
	assert_ptr_equal(
		kev_retained_overdue(&retained, &day, (struct kev_moment){DAY + S, DAY + S}), events[0]);
	kev_retained_fini(&retained);
}

static void test_restore_in_any_order(void **state)
{
	const struct kev_retain two = {.count = 2};
	struct kev_retained retained;

	(void)state;
	kev_retained_init(&retained);
	assert_int_equal(kev_retained_restore(&retained, events[0], NOON + 3 * S, at(NOON)), 0);
	assert_int_equal(kev_retained_restore(&retained, events[1], NOON + 1 * S, at(NOON)), 0);
	assert_int_equal(kev_retained_restore(&retained, events[2], NOON + 2 * S, at(NOON)), 0);
	assert_ptr_equal(kev_retained_overdue(&retained, &two, at(NOON)), events[1]);
	assert_int_equal(kev_event_gone(events[1]), NOON + 1 * S);
	add(&retained, events[3], NOON);
	assert_int_equal(kev_event_gone(events[3]), NOON + 3 * S + 1);
	kev_retained_fini(&retained);
}

/* Events that come and go for ever take no more room than those that are gone at once. */
static void test_room_is_bounded(void **state)
{
	const struct kev_retain all = {.count = 1000};
	struct kev_retained retained;
	size_t most = 0;

	(void)state;
	kev_retained_init(&retained);
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < KEV_ARRAY_LEN(events); i++)
			add(&retained, events[i], NOON + round * S);
		assert_int_equal(retained.live, KEV_ARRAY_LEN(events));
		assert_null(kev_retained_overdue(&retained, &all, at(NOON)));
		for (size_t i = 0; i < KEV_ARRAY_LEN(events); i += 1)
			kev_retained_remove(&retained, events[i]);
		most = retained.room > most ? retained.room : most;
	}
	assert_int_equal(retained.live, 0);
	assert_int_equal(retained.bytes, 0);
	assert_true(most <= 1024);
	/* What is empty holds its event no longer than needed. */
	assert_true(retained.count <= 64);
	kev_retained_fini(&retained);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_age),
		TEST(test_bytes_and_count),
		TEST(test_marks_increase),
		TEST(test_clock_set_back),
		TEST(test_step_forward_for_a_moment),
		TEST(test_step_forward_for_a_moment_and_restored),
		TEST(test_restored_and_gone_again),
		TEST(test_clock_set_forward),
		TEST(test_clock_always_behind),
		TEST(test_restore_in_any_order),
		TEST(test_room_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
