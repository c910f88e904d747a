#ifndef KEVFS_KERNEL_SENDERS_H
#define KEVFS_KERNEL_SENDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/tree/tree.h"

/**
 * The threads that tell the kernel what went stale: one at a time, in the order in which it is pushed, until
 * it is held up.
 *
 * A notification of a directory waits in the kernel for whoever is listing that directory, and a local reader
 * can stand there for as long as it likes: its buffer may be userfaultfd's, or another filesystem's that does
 * not answer. The thread that this happens to keeps what else concerns that directory; another one goes on
 * with all the rest. When it comes free again it sends what it kept. Of what was too much to keep, only the
 * directory is remembered: it has to be refreshed as a whole.
 *
 * So the order is kept for each directory. Between two of them it is not while one is held, and need not be:
 * a notification says what to forget, and the tree knows better since before. (What comes first to be
 * finished before another begins, KEV_STALE_BARRIER, is then made up for by sending again what the kernel did
 * not know: notify.c.)
 *
 * As many directories as there are threads can be held. After that nothing is told any more, of any, until
 * one of them comes free: see kev_senders_push() and kev_senders_held().
 */
struct kev_senders;

/** Directories that can be held at once before nothing goes on. */
#define KEV_SENDERS_MAX 16

/** What is kept for a held directory. */
#define KEV_SENDERS_KEPT_MAX 256

/** Send one, in one of the threads, with no lock held. May take for ever. */
typedef void kev_sender_fn(void *context, const struct kev_stale *stale);

struct kev_senders_config {
	kev_sender_fn *send;
	/** Called by who pushes, a few times a second for as long as it waits there, and at the end of that,
	 * with no lock held: it may ask how many are held, and pushes nothing. NULL: nobody is. */
	void (*waiting)(void *context);
	void *context;
	const struct kev_clock *clock; /**< borrowed */
};

/** @return new, or NULL on ENOMEM */
struct kev_senders *kev_senders_create(const struct kev_senders_config *config);

/** Start the first thread; the others are started as they are needed. @return 0 or -errno */
int kev_senders_start(struct kev_senders *senders) KEV_MUST_USE;

/*
 * All of these are for one thread, which pushes.
 */

/** Have it sent, sooner or later. Waits while too much is to be sent; with all threads held, for as long as
 * they are. After kev_senders_stop() it does nothing. */
void kev_senders_push(struct kev_senders *senders, const struct kev_stale *stale);

/** No more is to be pushed for now: wake who sends. */
void kev_senders_wake(struct kev_senders *senders);

/** Wait until all that was pushed was sent, but for what is kept for held directories. */
void kev_senders_flush(struct kev_senders *senders);

/**
 * See whether the thread that sends is held up, and let another one go on. To be called a few times a second
 * for as long as it says so.
 * @return whether something is being sent, or held
 */
bool kev_senders_tend(struct kev_senders *senders);

/** A directory that was held, and must be refreshed as a whole. @return false where there is none */
bool kev_senders_take_lost(struct kev_senders *senders, uint64_t *node);

/** A directory that has been held for KEV_SENDERS_REPORT_MS; each is told once. @return false where there is
 * none */
bool kev_senders_take_held(struct kev_senders *senders, uint64_t *node);
#define KEV_SENDERS_REPORT_MS 1000

/** How many directories have been held for so long, and since when the first of them is (realtime ns; 0:
 * none). And since when nothing is told any more, since all threads are held (0: it is). */
struct kev_senders_held {
	unsigned count;
	int64_t since;
	int64_t halted_since;
};
void kev_senders_held(struct kev_senders *senders, struct kev_senders_held *out);

/*
 * Any thread.
 */

/** Send nothing more, and let the threads end. @return whether they have, after timeout_ms at most */
bool kev_senders_stop(struct kev_senders *senders, int timeout_ms);

/** After that has failed: whoever is held is left to itself, and nothing is freed that it uses. Nothing else
 * may be called afterwards. */
void kev_senders_abandon(struct kev_senders *senders);

/** Stop; waits for the threads, for as long as they are held. */
void kev_senders_destroy(struct kev_senders *senders);

#endif
