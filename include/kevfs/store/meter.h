#ifndef KEVFS_STORE_METER_H
#define KEVFS_STORE_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/defs.h"

/**
 * What was done so far, how long it took, and what is under way: numbers that whoever does something adds to,
 * and that a report reads. Any thread; nothing waits for anything: they are atomic, and of no order, so a
 * report may see one of two that were counted together.
 *
 * All functions but kev_meter_create() take NULL for the meter: then nothing is counted.
 */
struct kev_meter;

/** @return new: nothing was done; or NULL on ENOMEM */
struct kev_meter *kev_meter_create(void);
void kev_meter_destroy(struct kev_meter *meter);

/** What only grows. */
enum kev_meter_counter {
	KEV_METER_SKIPPED,        /**< objects left out, since they made no sense or were too large */
	KEV_METER_UNTIMED,        /**< revisions in whose Event's name there is no time */
	KEV_METER_RESYNCS,        /**< the tree was compared with the store as a whole */
	KEV_METER_STALE_ENTRIES,  /**< the kernel was told: what a name means */
	KEV_METER_STALE_LISTINGS, /**< … a directory's listing */
	KEV_METER_STALE_ATTRS,    /**< … attributes */
	KEV_METER_STALE_TAILS,    /**< … the end of a log's file */
	KEV_METER_STALE_SIZES,    /**< … the size of a log's file */
	KEV_METER_STALE_REFUSED,  /**< … and it refused */
	KEV_METER_PREFETCHED,     /**< files that the kernel was given before it asked for them */
	KEV_METER_LOG_APPENDED,   /**< records of the logs */
	KEV_METER_LOG_ROTATED,    /**< rotations of all logs at once */
	KEV_METER_LOG_MISSING,    /**< revisions that the logs lack */
	KEV_METER_COUNTERS
};

void kev_meter_add(struct kev_meter *meter, enum kev_meter_counter counter, uint64_t count);
uint64_t kev_meter_get(const struct kev_meter *meter, enum kev_meter_counter counter);

/** FUSE's operations. */
enum kev_meter_operation {
	KEV_METER_LOOKUP,
	KEV_METER_FORGET,
	KEV_METER_GETATTR,
	KEV_METER_STATX,
	KEV_METER_READLINK,
	KEV_METER_OPEN,
	KEV_METER_READ,
	KEV_METER_READDIR,
	KEV_METER_READDIRPLUS,
	KEV_METER_STATFS,
	KEV_METER_GETXATTR,
	KEV_METER_LISTXATTR,
	KEV_METER_OPERATIONS
};

/** "lookup" and so on. */
const char *kev_meter_operation_name(enum kev_meter_operation operation);

/** The upper ends of the intervals in which an operation's time is counted: 10 us, 100 us … 1 s. What took
 * longer is in one more. */
#define KEV_METER_BOUNDS 6
extern const int64_t kev_meter_bounds[KEV_METER_BOUNDS];

/** How often one operation was answered. */
struct kev_meter_times {
	uint64_t counts[KEV_METER_BOUNDS + 1]; /**< by how long it took: each interval by itself */
	uint64_t failed;                       /**< of all of them, with an error */
	uint64_t ns;                           /**< what all of them took together */
};

/** What may be under way. */
enum kev_meter_work {
	KEV_METER_ANSWERING, /**< an operation, from its arrival to its reply; not while it is parked */
	KEV_METER_NOTIFYING, /**< a notification, which the kernel has not taken yet */
	KEV_METER_CARRYING,  /**< changes into the tree */
	KEV_METER_FEEDING,   /**< the feed's thread, which is to look around again at some time */
	KEV_METER_WORKS
};

/** A piece of work that is under way; kept by the meter. */
struct kev_meter_mark;

/** Work begins. @param at  monotonic ns: when, or (of FEEDING) when it is to go on at the latest. @return its
 * mark, until kev_meter_end(); NULL where there are too many at once, which is no harm */
struct kev_meter_mark *kev_meter_begin(struct kev_meter *meter, enum kev_meter_work work, int64_t at);

/** The same work begins anew, or is to go on at. @param mark  NULL: nothing happens, here and below */
void kev_meter_renew(struct kev_meter_mark *mark, int64_t at);

/** It has ended. */
void kev_meter_end(struct kev_meter_mark *mark);

/** An operation was answered. @param mark  of ANSWERING, still under way; NULL: it was too many. @param ns
 * how long it took, with the time that it was parked */
void kev_meter_answered(struct kev_meter *meter, struct kev_meter_mark *mark,
	enum kev_meter_operation operation, int64_t ns, bool failed);

void kev_meter_times(
	const struct kev_meter *meter, enum kev_meter_operation operation, struct kev_meter_times *out);

/** How long the longest work of a sort has been under way, ns. @return 0 where there is none, or none is due
 */
int64_t kev_meter_longest(const struct kev_meter *meter, enum kev_meter_work work, int64_t now);

/** Is there such work? */
bool kev_meter_is_at(const struct kev_meter *meter, enum kev_meter_work work);

#endif
