#ifndef KEVFS_WATCH_INGEST_H
#define KEVFS_WATCH_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/error.h"
#include "kevfs/event/envelope.h"
#include "kevfs/store/store.h"
#include "kevfs/watch/intake.h"

/**
 * The text of list items and watch lines → the store. An object that makes no sense is left out, counted and
 * logged (at most every ten seconds); it never ends anything.
 */
struct kev_ingest;

/**
 * @param intake  the way into the store for events; NULL for pods and namespaces
 * @param label   for the log: "events of namespace default"; borrowed, like all
 * @return new, or NULL on ENOMEM
 */
struct kev_ingest *kev_ingest_create(struct kev_store *store, struct kev_intake *intake,
	enum kev_scope_kind kind, const struct kev_clock *clock, const char *label);
void kev_ingest_destroy(struct kev_ingest *ingest);

/** An item of a list. @return 0 or -ENOMEM */
int kev_ingest_item(struct kev_ingest *ingest, struct kev_str item) KEV_MUST_USE;

/** What a watch line said. The strings are borrowed until the next line. */
struct kev_ingest_line {
	enum kev_envelope_type type;
	bool change;                     /**< it says of an object that it is otherwise, or gone */
	struct kev_str resource_version; /**< of its object; empty where it has none */
	struct kev_str object;           /**< its raw text: of an ERROR a Status */
	bool initial_end;                /**< the bookmark behind the list that the watch begins with */
};

/** What a line of a watch is to be. */
enum kev_ingest_place {
	KEV_INGEST_LISTED, /**< of the list that the watch begins with, which is in no order */
	KEV_INGEST_AGAIN,  /**< the one that came last, once more (kev_ingest_append_start()) */
	KEV_INGEST_LIVE,   /**< what comes behind that */
};

/**
 * A line of a watch.
 * @param out  untouched on error
 * @return 0; with nothing changed: -EINVAL (not a line of a watch, or a revision from before the last line:
 * what was to be said is lost; error says why), -ESTALE (AGAIN: it is another one) or -ENOMEM
 */
int kev_ingest_line(struct kev_ingest *ingest, struct kev_str line, enum kev_ingest_place place,
	struct kev_ingest_line *out, struct kev_error *error) KEV_MUST_USE;

/** A list begins: what came before may be of another history. */
void kev_ingest_begin(struct kev_ingest *ingest);

/**
 * Append the resourceVersion from which a watch brings once more what came last: its last line, or the newest
 * Event of the list. Behind that nothing but deletions can have come. A server with another history does not
 * bring it, whatever resourceVersions it has come to; nothing that a server says of itself tells that.
 * @return 0; -EINVAL (there is none, or its resourceVersion is no number; nothing is appended), or the
 * buffer's error
 */
int kev_ingest_append_start(const struct kev_ingest *ingest, struct kev_buf *out);

/** Count and log what was left out before it came here. */
void kev_ingest_skip(struct kev_ingest *ingest, uint64_t count, const char *why);

/** Objects left out so far. */
uint64_t kev_ingest_skipped(const struct kev_ingest *ingest);

#endif
