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
	struct kev_str resource_version; /**< of its object; empty where it has none */
	struct kev_str object;           /**< its raw text: of an ERROR a Status */
	bool initial_end;                /**< the bookmark behind the list that the watch begins with */
};

/**
 * A line of a watch.
 * @param listed  it belongs to the list that the watch begins with
 * @param out  untouched on error
 * @return 0; -EINVAL (not a line of a watch: what it was to say is lost; error says why) or -ENOMEM
 */
int kev_ingest_line(struct kev_ingest *ingest, struct kev_str line, bool listed, struct kev_ingest_line *out,
	struct kev_error *error) KEV_MUST_USE;

/** Count and log what was left out before it came here. */
void kev_ingest_skip(struct kev_ingest *ingest, uint64_t count, const char *why);

/** Objects left out so far. */
uint64_t kev_ingest_skipped(const struct kev_ingest *ingest);

#endif
