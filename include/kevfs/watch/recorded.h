#ifndef KEVFS_WATCH_RECORDED_H
#define KEVFS_WATCH_RECORDED_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/error.h"
#include "kevfs/event/envelope.h"
#include "kevfs/event/form.h"
#include "kevfs/event/metadata.h"
#include "kevfs/event/objects.h"
#include "kevfs/store/store.h"

/**
 * What stands in a file → the store: items of a list, lines of a recorded watch, single Events. Objects of
 * other kinds, and those that make no sense, are left out, counted, and told of in the end; they never end
 * anything.
 */
struct kev_recorded;

/**
 * @param store  borrowed; NULL: nothing is stored, only looked at
 * @param form   what the file is
 * @return new, or NULL on ENOMEM
 */
struct kev_recorded *kev_recorded_create(struct kev_store *store, enum kev_form form);
void kev_recorded_destroy(struct kev_recorded *recorded);

/**
 * From here on only Events of these namespaces count, and each of these is a directory, whatever it holds.
 * @param namespaces  NULL-terminated, borrowed; NULL: all
 * @return 0; -EINVAL (no name of a namespace: error says which) or -ENOMEM
 */
int kev_recorded_select(
	struct kev_recorded *recorded, const char *const *namespaces, struct kev_error *error) KEV_MUST_USE;

/** An item of a list, into the store. @return 0 or -ENOMEM */
int kev_recorded_item(struct kev_recorded *recorded, struct kev_str item) KEV_MUST_USE;

/** A line of a recording, as it was scanned last. A single Event is read as one that says MODIFIED: nothing
 * tells whether it is the first of its name. */
struct kev_recorded_line {
	enum kev_envelope_type type;
	bool is_event;                       /**< what it says, it says of an Event */
	bool is_initial_end;                 /**< the bookmark behind the list that a watch began with */
	int64_t time;                        /**< of ADDED and MODIFIED: the latest in it, ns; 0 unknown */
	const struct kev_metadata *metadata; /**< of ADDED: borrowed until the next; NULL if there is no
						usable one */
};

/**
 * Scan a line. It borrows the text until the next.
 * @param where  for what is told in the end
 * @param out    untouched on error
 * @return 0; -EINVAL (no line of a watch, or no single object: error says why) or -ENOMEM
 */
int kev_recorded_scan(struct kev_recorded *recorded, struct kev_str text,
	const struct kev_objects_where *where, struct kev_recorded_line *out,
	struct kev_error *error) KEV_MUST_USE;

/** Do in the store what the line says that was scanned last. @return 0 or -ENOMEM */
int kev_recorded_apply(struct kev_recorded *recorded, enum kev_origin origin) KEV_MUST_USE;

/** What there was in all. The strings are borrowed. */
struct kev_recorded_counts {
	size_t revisions;          /**< that are events, and were selected */
	size_t others;             /**< objects of other kinds */
	struct kev_str other_kind; /**< of the first of these */
	size_t broken;             /**< objects that make no sense */
	const char *why;           /**< why the first of these makes none */
	size_t errors;             /**< that the recorded watch had failed */
	const char *failure;       /**< of the first time */
};
void kev_recorded_count(const struct kev_recorded *recorded, struct kev_recorded_counts *out);

/**
 * Log what was left out, and that the watch itself had failed: at most a line for each.
 * @param oversized  objects that were left out before they came here
 */
void kev_recorded_report(const struct kev_recorded *recorded, const char *path, size_t oversized);

#endif
