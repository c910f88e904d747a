#ifndef KEVFS_STORE_HISTORY_H
#define KEVFS_STORE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"
#include "kevfs/event/event.h"
#include "kevfs/store/kinds.h"
#include "kevfs/store/retained.h"

/**
 * History on disk: each revision of each event that was shown, until it is neither the current one nor within
 * the limits of what is kept. A directory holds the history of one view of one cluster, and belongs to one
 * process at a time. Behind this is SQLite, whose command line tool can read along.
 *
 * Used by one thread at a time. What is written is on the disk, also where the power fails, when
 * kev_history_commit() has returned 0; what is not committed is as if it had never been.
 *
 * Errors: -EBUSY (another process uses it), -EINVAL (no history, of a newer kevfs, or of another view),
 * -EBADMSG (damaged), -ENOSPC (disk full), -EROFS (may not be written), -EIO, -ENOMEM; the error names the
 * file.
 */
struct kev_history;

/** What a history is of. What differs must not be mixed. All borrowed; NULL counts as "". */
struct kev_history_view {
	const char *server;         /**< the API server's URL */
	const char *namespaces;     /**< those that are shown */
	const char *field_selector; /**< of what is shown */
};

/**
 * Open the history in a directory; where there is none, a new one is made (also the directory, and what it
 * lies in). It is readable by its owner only.
 * @param patience_ms  how long to wait for another process that is about to end
 * @return 0 and a new history, or an error
 */
int kev_history_open(const char *directory, const struct kev_history_view *view, int patience_ms,
	struct kev_history **out, struct kev_error *error) KEV_MUST_USE;

/**
 * Would kev_history_open() do? Nothing is written, or made. What can only be known by writing is not: where a
 * process was killed, the file may be whole only with what it left behind.
 * @return 0, also where there is no history yet, or the error of kev_history_open()
 */
int kev_history_look(
	const char *directory, const struct kev_history_view *view, struct kev_error *error) KEV_MUST_USE;

/** What was not committed is lost. */
void kev_history_close(struct kev_history *history);

/** Had it been noted, when it was opened, that everything was there once? */
bool kev_history_complete(const struct kev_history *history);

/** How much it holds. */
struct kev_history_counts {
	uint64_t superseded, superseded_bytes; /**< revisions that are no longer current, and their sizes */
};
void kev_history_counts(const struct kev_history *history, struct kev_history_counts *out);

/** Begin to write. Every function from here to kev_history_commit() wants that; after an error of one,
 * nothing is left but kev_history_rollback(). */
int kev_history_begin(struct kev_history *history, struct kev_error *error) KEV_MUST_USE;
int kev_history_commit(struct kev_history *history, struct kev_error *error) KEV_MUST_USE;

/** Undo everything since kev_history_begin(), and give a comparison up. */
void kev_history_rollback(struct kev_history *history);

/**
 * A revision has taken the place of the one of its name. Nothing happens where it is there already, or where
 * a later one (by ctime) is. Its mark (kev_event_gone) is taken along.
 * @param when  realtime ns
 * @param added set to whether it was added; untouched on error
 */
int kev_history_append(struct kev_history *history, const struct kev_event *event, int64_t when, bool *added,
	struct kev_error *error) KEV_MUST_USE;

/** That revision, if it is the current one, is gone since then, or (0) there again. */
int kev_history_set_gone(struct kev_history *history, const struct kev_event *event, int64_t gone,
	struct kev_error *error) KEV_MUST_USE;

/** That revision, if it is the current one or a later one than that, is no longer kept; nor are those that it
 * had superseded. */
int kev_history_remove(
	struct kev_history *history, const struct kev_event *event, struct kev_error *error) KEV_MUST_USE;

/**
 * Compare with all that there is, as kev_store_walk() gives it: begin; append each; end removes the names
 * that were not appended since. In between, which may be more than one commit, what is appended takes the
 * place of whatever there is.
 */
int kev_history_compare_begin(struct kev_history *history, struct kev_error *error) KEV_MUST_USE;
int kev_history_compare_end(struct kev_history *history, struct kev_error *error) KEV_MUST_USE;

/**
 * Remove at most max superseded revisions that are over a limit, those first that were superseded first.
 * @param now   by the wall clock; 0 where that is not believed (kev_wall): nothing is old then
 * @param wait  set to ns until there is something to do by age: 0 where there is more already, INT64_MAX
 * where nothing is; untouched on error
 */
int kev_history_purge(struct kev_history *history, const struct kev_retain *limits, int64_t now, unsigned max,
	int64_t *wait, struct kev_error *error) KEV_MUST_USE;

/** Write down which resources the kinds are: by them the events' places are chosen. */
int kev_history_save_kinds(
	struct kev_history *history, const struct kev_kinds *kinds, struct kev_error *error) KEV_MUST_USE;

/** What the names of those whose Events may be seen take together, each with a NUL behind it, at most. */
#define KEV_HISTORY_NAMES_MAX (4U << 20)

/**
 * Write down whose Events may be seen (kev_store_restrict()): they are kept all the same.
 * @param names  of the namespaces that are permitted, a NUL behind each
 */
int kev_history_save_access(struct kev_history *history, bool restricted, struct kev_str names,
	struct kev_error *error) KEV_MUST_USE;

/** Note that everything is there. */
int kev_history_set_complete(struct kev_history *history, struct kev_error *error) KEV_MUST_USE;

/** Give space back to the filesystem that is free for long. Not between begin and commit. */
int kev_history_trim(struct kev_history *history, struct kev_error *error) KEV_MUST_USE;

/** @param out  set to new kinds, or to NULL where none were saved; untouched on error */
int kev_history_load_kinds(
	struct kev_history *history, struct kev_kinds **out, struct kev_error *error) KEV_MUST_USE;

/** @param restricted  set to what was saved: false where nothing was; untouched on error. @param names
 * emptied, and set to the namespaces that are permitted; its cap is KEV_HISTORY_NAMES_MAX or more */
int kev_history_load_access(struct kev_history *history, bool *restricted, struct kev_buf *names,
	struct kev_error *error) KEV_MUST_USE;

/** Which revisions to go through; empty strings and 0 do not select. */
struct kev_history_query {
	struct kev_str namespace_;
	struct kev_str object_kind, object_name; /**< only with a namespace */
	int64_t since, until;                    /**< by ctime, ns since the epoch; until is not included */
	/** Of those that are superseded, only the latest of so many bytes; UINT64_MAX: all. */
	uint64_t superseded_bytes;
};

/** One revision. */
struct kev_history_revision {
	struct kev_event *event; /**< borrowed */
	int64_t gone;            /**< since when, 0: it is there */
	int64_t superseded;      /**< since when, 0: it is the current one */
};

/** @return 0 to go on; anything else ends the walk with that value */
typedef int kev_history_fn(void *context, const struct kev_history_revision *revision);

/**
 * Go through revisions in the order in which they came.
 * @param words    for the events (kev_event_restore())
 * @param skipped  raised by those that no event can be made of
 */
int kev_history_walk(struct kev_history *history, const struct kev_history_query *query,
	struct kev_intern *words, kev_history_fn *visit, void *context, uint64_t *skipped,
	struct kev_error *error) KEV_MUST_USE;

#endif
