#include "../test.h"

#include <errno.h>
#include <signal.h>

#include "kevfs/base/thread.h"

static void *look(void *context)
{
	pthread_sigmask(SIG_SETMASK, NULL, context);
	return NULL;
}

static void test_start_blocks_signals_there_only(void **state)
{
	sigset_t before, there, after;
	pthread_t thread;

	(void)state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(kev_thread_start(&thread, look, &there), 0);
	pthread_join(thread, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&there, SIGTERM), 1);
	assert_int_equal(sigismember(&there, SIGUSR1), 1);
	for (int number = 1; number < SIGRTMIN; number++)
		assert_int_equal(sigismember(&after, number), sigismember(&before, number));
}

static int64_t ns_of(struct timespec time)
{
	return time.tv_sec * KEV_NS_PER_SEC + time.tv_nsec;
}

static void test_deadline(void **state)
{
	static const int64_t waits[] = {0, 1, KEV_NS_PER_SEC - 1, KEV_NS_PER_SEC, 5 * KEV_NS_PER_SEC / 2};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(waits); i++) {
		struct timespec before, after, until;

		clock_gettime(CLOCK_MONOTONIC, &before);
		until = kev_thread_deadline(waits[i]);
		clock_gettime(CLOCK_MONOTONIC, &after);
		assert_in_range(until.tv_nsec, 0, KEV_NS_PER_SEC - 1);
		assert_in_range(ns_of(until), ns_of(before) + waits[i], ns_of(after) + waits[i]);
	}
}

static void test_cond_waits_by_the_same_clock(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct timespec until = kev_thread_deadline(20 * KEV_NS_PER_MS);
	pthread_cond_t cond;

	(void)state;
	kev_thread_cond_init(&cond);
	pthread_mutex_lock(&lock);
	/* By the wall clock, which counts from 1970, this would be over at once. */
	assert_int_equal(pthread_cond_timedwait(&cond, &lock, &until), ETIMEDOUT);
	assert_true(ns_of(kev_thread_deadline(0)) >= ns_of(until));
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&cond);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_blocks_signals_there_only),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_cond_waits_by_the_same_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
