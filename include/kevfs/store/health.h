#ifndef KEVFS_STORE_HEALTH_H
#define KEVFS_STORE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"
#include "kevfs/store/meter.h"
#include "kevfs/store/store.h"

/**
 * What is known of how true the store is, and what the kernel keeps of it: written by the watches and by who
 * notifies, read by anybody. From any thread; waits for
 * nothing but its own lock, which is a leaf.
 *
 * A server ends each watch after some minutes, and the next one begins at once. That is no reason to call
 * anything stale: a watch counts as connected for KEV_HEALTH_GRACE after it ended, unless it is known not to
 * work. The same holds where one is added to others that are connected.
 *
 * Who writes all that may hang itself (a file of the kubeconfig on an NFS server that is dead), and then says
 * nothing of it: so the meter is asked for when it was to go on.
 */
struct kev_health;

/** One watch: of a kind, and of a namespace or of all. Owned by the health. */
struct kev_health_record;

#define KEV_HEALTH_GRACE (2 * KEV_NS_PER_SEC)

/** A feed that was to go on so long ago hangs: all is stale. It does nothing at once that takes seconds. */
#define KEV_HEALTH_LATE (30 * KEV_NS_PER_SEC)

/** How many kinds there are: enum kev_scope_kind. */
#define KEV_HEALTH_KINDS (KEV_SCOPE_NAMESPACES + 1)

/** Room for a resourceVersion and its NUL; a longer one is cut. */
#define KEV_HEALTH_RV_SIZE 129

/** @param clock  borrowed. @return new: not synced, and no watches; or NULL on ENOMEM */
struct kev_health *kev_health_create(const struct kev_clock *clock);
void kev_health_destroy(struct kev_health *health);

/** Whether the feed lives is seen there (KEV_METER_FEEDING). Before there is more than one thread. Borrowed.
 */
void kev_health_set_meter(struct kev_health *health, const struct kev_meter *meter);

/** The store is complete for the first time. Of a file that is all there is to say: nothing else comes. */
void kev_health_synced(struct kev_health *health);

/** Whether Events are watched in those namespaces only that the watch of namespaces tells of: then, while
 * that one is not connected, there can be Events in one that is not known. At first they are not. */
void kev_health_need_namespaces(struct kev_health *health, bool need);

/**
 * There is one more watch, and it is not connected. One kind may have several: one a namespace.
 * @param namespace_  what it is of; NULL: all. Copied
 * @return its record, until kev_health_remove() or the health's end; NULL on ENOMEM
 */
struct kev_health_record *kev_health_add(
	struct kev_health *health, enum kev_scope_kind kind, const char *namespace_) KEV_MUST_USE;

/** There is no such watch any more: it makes nothing stale. But where the last one of a kind goes, that kind
 * is not connected. What it has counted stays in the sums of its kind. */
void kev_health_remove(struct kev_health *health, struct kev_health_record *record);

/** A list begins, for a watch that is not connected. @param again  it is not the first */
void kev_health_listing(struct kev_health *health, struct kev_health_record *record, bool again);

/** The same, and not the first; but only to see whether something was missed: there is the grace of a watch
 * that has ended. */
void kev_health_comparing(struct kev_health *health, struct kev_health_record *record);

/** The list is complete, or the watch before has ended, and a watch is asked for. It is not denied (any
 * more).
 * @param resource_version  from where on; or empty */
void kev_health_connecting(
	struct kev_health *health, struct kev_health_record *record, struct kev_str resource_version);

/** A watch that was not has become connected: what it said first is in the store. */
void kev_health_connected(struct kev_health *health, struct kev_health_record *record);

/** One that was is so no more. */
void kev_health_ended(struct kev_health *health, struct kev_health_record *record);

/** It does not work, and is tried again later. @param why  what kev_error holds: one line, escaped */
void kev_health_failed(
	struct kev_health *health, struct kev_health_record *record, const struct kev_error *why);

/**
 * The server does not permit it, and it is done without: from now on it makes nothing stale, whatever is told
 * of it, until it is connecting. But where all of a kind are denied, that kind is not connected.
 */
void kev_health_denied(
	struct kev_health *health, struct kev_health_record *record, const struct kev_error *why);

/**
 * Something was heard of the server, for this watch or its list. Once a piece, however many lines it holds.
 * @param bytes  how much, unpacked
 * @param resource_version  how far it is now; empty: as far as before
 */
void kev_health_heard(struct kev_health *health, struct kev_health_record *record, uint64_t bytes,
	struct kev_str resource_version);

/** Local readers keep the kernel from being told of changes in so many directories. */
struct kev_health_held {
	unsigned directories;
	int64_t since; /**< since when in the first of them, ns since the epoch; 0 where there is none */
	int64_t halted_since; /**< since when nothing can be told, of any directory; 0: it can */
};
void kev_health_held(struct kev_health *health, const struct kev_health_held *held);

/** Whether what is shown lacks something that the store has, since there is no memory for it. It is tried
 * again until there is; what is shown is stale then. */
void kev_health_behind(struct kev_health *health, bool behind);

/** How the watches of one kind are. */
struct kev_health_watch {
	unsigned count;         /**< how many there are to be; 0: this kind is not watched */
	unsigned denied;        /**< how many of them the server does not permit */
	bool connected;         /**< all the others, and there are some */
	int64_t since;          /**< since when it is as connected says, ns since the epoch */
	uint64_t reconnects;    /**< a watch began anew */
	uint64_t relists;       /**< a list began anew */
	uint64_t bytes;         /**< heard of, unpacked */
	struct kev_error error; /**< why one failed last; an empty text where none ever did */
	int64_t error_time;     /**< ns since the epoch */
};

struct kev_health_state {
	int64_t started; /**< when this began, ns since the epoch */
	bool synced;
	int64_t synced_at; /**< when it was complete for the first time, ns since the epoch; 0: not yet */
	bool stale;        /**< kev_health_stale() */
	/** Since when both are as they are, ns since the epoch. */
	int64_t since;
	struct kev_health_held held;
	int64_t behind_since; /**< kev_health_behind(), ns since the epoch; 0: it is not */
	int64_t late; /**< how long ago the feed was to go on, ns, if that is KEV_HEALTH_LATE or more; else 0
		       */
	struct kev_health_watch watches[KEV_HEALTH_KINDS];
};

void kev_health_get(struct kev_health *health, struct kev_health_state *out);

/** Can there be Events that are not shown: is it not synced, is a watch of Events not connected or one of
 * namespaces that these need, can the kernel not be told of any change, or does the feed hang? */
bool kev_health_stale(struct kev_health *health);

/** What went wrong last, in a line: that the feed hangs, else why a watch failed last; "" where none ever
 * did.
 */
void kev_health_explain(const struct kev_health_state *state, struct kev_error *out);

/** What a watch is at. */
enum kev_health_phase {
	KEV_HEALTH_IDLE,       /**< it has not begun */
	KEV_HEALTH_LISTING,    /**< what there is is being listed */
	KEV_HEALTH_CONNECTING, /**< a watch was asked for, and there is no answer yet */
	KEV_HEALTH_WATCHING,   /**< it is connected */
	KEV_HEALTH_WAITING,    /**< it does not work, and is tried again later */
	KEV_HEALTH_DENIED,     /**< the server does not permit it; it is asked again from time to time */
};

/** How many there are. */
#define KEV_HEALTH_PHASES (KEV_HEALTH_DENIED + 1)

/** What the API calls it: "events" and so on. */
const char *kev_health_kind_name(enum kev_scope_kind kind);

/** "watching" and so on. */
const char *kev_health_phase_name(enum kev_health_phase phase);

/** How one watch is. */
struct kev_health_detail {
	enum kev_scope_kind kind;
	const char *namespace_; /**< NULL: all */
	enum kev_health_phase phase;
	int64_t since;                             /**< since when it is at that, ns since the epoch */
	char resource_version[KEV_HEALTH_RV_SIZE]; /**< how far it is; "" before the first. Any bytes */
	int64_t silence;        /**< ns since the last byte was heard; negative: there was none yet */
	uint64_t reconnects;    /**< it began anew */
	uint64_t relists;       /**< its list began anew */
	uint64_t bytes;         /**< heard of, unpacked */
	struct kev_error error; /**< why it failed last; an empty text where it never did */
	int64_t error_time;     /**< ns since the epoch */
};

/**
 * How each watch is, in the order in which they were added.
 * @param out  new: one block, to be freed with free(); NULL where there are none
 * @return 0 or -ENOMEM
 */
int kev_health_details(struct kev_health *health, struct kev_health_detail **out, size_t *count) KEV_MUST_USE;

#endif
