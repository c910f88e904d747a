#include "check_run.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/thread.h"

struct bounded {
	int (*run)(void *context);
	void *context;
	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t cond;
	bool done, abandoned;
	int result;
};

static void destroy(struct bounded *bounded)
{
	pthread_cond_destroy(&bounded->cond);
	pthread_mutex_destroy(&bounded->lock);
	free(bounded);
}

static void *work(void *context)
{
	struct bounded *bounded = context;
	int result = bounded->run(bounded->context);
	bool abandoned;

	pthread_mutex_lock(&bounded->lock);
	bounded->result = result;
	bounded->done = true;
	abandoned = bounded->abandoned;
	pthread_cond_signal(&bounded->cond);
	pthread_mutex_unlock(&bounded->lock);
	if (abandoned)
		destroy(bounded);
	return NULL;
}

/* @return whether it is done */
static bool wait_done(struct bounded *bounded, int64_t ns)
{
	struct timespec until = kev_thread_deadline(ns);
	int r = 0;
	bool done;

	pthread_mutex_lock(&bounded->lock);
	while (!bounded->done && r == 0)
		r = pthread_cond_timedwait(&bounded->cond, &bounded->lock, &until);
	done = bounded->done;
	bounded->abandoned = !done;
	pthread_mutex_unlock(&bounded->lock);
	return done;
}

/* What needs no time at all gets a moment, also where all of it is gone. */
static int64_t patience(const struct kev_check *check, int seconds)
{
	int64_t left = check->deadline - kev_clock_monotonic(check->clock);

	if (seconds && left > seconds * KEV_NS_PER_SEC)
		left = seconds * KEV_NS_PER_SEC;
	return left > KEV_NS_PER_SEC ? left : KEV_NS_PER_SEC;
}

int kev_check_bounded(struct kev_check *check, int seconds, int (*run)(void *context), void *context)
{
	struct bounded *bounded = calloc(1, sizeof(*bounded));
	pthread_t thread;
	int r;

	if (!bounded)
		return -ENOMEM;
	bounded->run = run;
	bounded->context = context;
	pthread_mutex_init(&bounded->lock, NULL);
	kev_thread_cond_init(&bounded->cond);
	r = kev_thread_start(&thread, work, bounded);
	if (r) {
		destroy(bounded);
		return r;
	}
	if (!wait_done(bounded, patience(check, seconds))) {
		pthread_detach(thread);
		check->abandoned = true;
		return -ETIMEDOUT;
	}
	pthread_join(thread, NULL);
	r = bounded->result;
	destroy(bounded);
	return r;
}
