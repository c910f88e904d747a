#include "kevfs/base/thread.h"

#include <signal.h>

int kev_thread_start(pthread_t *thread, void *(*run)(void *context), void *context)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(thread, NULL, run, context);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

void kev_thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

struct timespec kev_thread_deadline(int64_t ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ns / KEV_NS_PER_SEC;
	until.tv_nsec += ns % KEV_NS_PER_SEC;
	if (until.tv_nsec >= KEV_NS_PER_SEC) {
		until.tv_nsec -= KEV_NS_PER_SEC;
		until.tv_sec++;
	}
	return until;
}
