#include "../test.h"

#include "kevfs/base/defs.h"
#include "kevfs/watch/backoff.h"

#define MS KEV_NS_PER_MS
#define S KEV_NS_PER_SEC

/* The longest and the shortest factor. */
#define LONGEST UINT32_MAX
#define SHORTEST 0U

static void test_next_doubles_to_cap(void **state)
{
	static const int64_t overload[] = {800, 1600, 3200, 6400, 12800, 15000, 15000, 15000};
	static const int64_t refused[] = {800, 1600, 3200, 4000, 4000};
	static const int64_t unreachable[] = {800, 1600, 2000, 2000};
	struct kev_backoff backoff;
	int64_t now = 5 * S;

	(void)state;
	kev_backoff_init(&backoff);
	for (size_t i = 0; i < KEV_ARRAY_LEN(overload); i++)
		assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, now, -1, SHORTEST),
			overload[i] * MS);
	kev_backoff_init(&backoff);
	for (size_t i = 0; i < KEV_ARRAY_LEN(refused); i++)
		assert_int_equal(
			kev_backoff_next(&backoff, KEV_BACKOFF_REFUSED, now, -1, SHORTEST), refused[i] * MS);
	kev_backoff_init(&backoff);
	for (size_t i = 0; i < KEV_ARRAY_LEN(unreachable); i++)
		assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_UNREACHABLE, now, -1, SHORTEST),
			unreachable[i] * MS);
}

static void test_next_never_passes_cap(void **state)
{
	struct kev_backoff backoff;

	(void)state;
	kev_backoff_init(&backoff);
	for (int i = 0; i < 100; i++) {
		int64_t wait = kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, 0, -1, LONGEST);

		assert_true(wait < KEV_BACKOFF_OVERLOAD_MAX);
		assert_true(i < 5 || wait > KEV_BACKOFF_OVERLOAD_MAX - MS);
		wait = kev_backoff_next(&backoff, KEV_BACKOFF_UNREACHABLE, 0, -1, LONGEST);
		assert_true(wait < KEV_BACKOFF_UNREACHABLE_MAX);
		assert_true(i < 2 || wait > KEV_BACKOFF_UNREACHABLE_MAX - MS);
	}
}

static void test_next_jitters(void **state)
{
	struct kev_backoff backoff;

	(void)state;
	kev_backoff_init(&backoff);
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, 0, -1, 1U << 31), 1200 * MS);
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, 0, -1, 1U << 30), 2000 * MS);
}

static void test_next_retry_after_wins(void **state)
{
	struct kev_backoff backoff;

	(void)state;
	kev_backoff_init(&backoff);
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, 0, 1, LONGEST), 1 * S);
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, 0, 300, LONGEST), 300 * S);
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, 0, -1, SHORTEST), 3200 * MS);
}

/* A server that says "at once", or "in an hour", is not taken at its word. */
static void test_next_retry_after_is_bounded(void **state)
{
	struct kev_backoff backoff;

	(void)state;
	kev_backoff_init(&backoff);
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, 0, 0, SHORTEST), 800 * MS);
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, 0, 0, SHORTEST), 1600 * MS);
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, 0, 3600, SHORTEST), 300 * S);
}

static void test_next_starts_over_when_healthy(void **state)
{
	struct kev_backoff backoff;
	int64_t now = 0;

	(void)state;
	kev_backoff_init(&backoff);
	for (int i = 0; i < 10; i++)
		now += kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, now, -1, SHORTEST);
	/* The wait itself is no health. */
	now += 120 * S - 1;
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, now, -1, SHORTEST), 15 * S);
	now += 15 * S + 120 * S;
	assert_int_equal(kev_backoff_next(&backoff, KEV_BACKOFF_OVERLOAD, now, -1, SHORTEST), 800 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_doubles_to_cap),
		cmocka_unit_test(test_next_never_passes_cap),
		cmocka_unit_test(test_next_jitters),
		cmocka_unit_test(test_next_retry_after_wins),
		cmocka_unit_test(test_next_retry_after_is_bounded),
		cmocka_unit_test(test_next_starts_over_when_healthy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
