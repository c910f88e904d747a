#ifndef KEVFS_BASE_THREAD_H
#define KEVFS_BASE_THREAD_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "kevfs/base/defs.h"

/** What every thread of ours begins with, and waits by. */

/** Start a thread, all signals blocked in it: they are for the one that waits for them. @return 0 or -errno
 */
int kev_thread_start(pthread_t *thread, void *(*run)(void *context), void *context) KEV_MUST_USE;

/** A condition whose waits end by CLOCK_MONOTONIC: a stepping wall clock does not lengthen them. */
void kev_thread_cond_init(pthread_cond_t *cond);

/** The moment, by that clock, that is so many ns from now. */
struct timespec kev_thread_deadline(int64_t ns);

#endif
