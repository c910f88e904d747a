#ifndef KEVFS_TREE_LOG_H
#define KEVFS_TREE_LOG_H

#include "kevfs/base/defs.h"
#include "kevfs/store/record.h"
#include "kevfs/tree/role.h"

/**
 * A log that grows: events.log and events.jsonl of the whole tree, of a namespace, or (the former) of an
 * object. All of them share their records, which are printed when they are read; so a log costs 8 bytes a
 * line, and an offset in it is found by bisection.
 *
 * A file of a log is the one thing in the tree that changes under its number. It only ever grows at its end,
 * until it is rotated; what was read once stays as it is. How the kernel is told of it, publish.h says.
 *
 * Under the tree's lock, like everything here.
 */
struct kev_tree;
struct kev_log_file;

/** To be embedded in what the log tells of. All zero is an empty one. */
struct kev_log {
	struct kev_log_file *current;  /**< events.log; NULL: nobody asked for it, and it is empty */
	struct kev_log_file *previous; /**< events.log.1; NULL: there is none */
};

/** Neither is known to the kernel any more, nor will be. */
void kev_log_fini(struct kev_log *log);

/** The files, as what their directory's fixed entries play. @param home  the directory
 * @return 0; -ENOENT (kev_log_previous); -ENOMEM */
int kev_log_current(
	struct kev_tree *tree, struct kev_log *log, struct kev_place home, void **out) KEV_MUST_USE;
int kev_log_previous(const struct kev_log *log, void **out) KEV_MUST_USE;

extern const struct kev_role kev_role_log_line; /**< item: a file of a log */
extern const struct kev_role kev_role_log_json; /**< the same in the other form */

const struct kev_role *kev_log_role(enum kev_record_form form);

/** Make sure that one kev_log_append() cannot fail. @return 0 or -ENOMEM */
int kev_log_reserve(struct kev_tree *tree, struct kev_log *log, struct kev_place home) KEV_MUST_USE;

/** Append, after kev_log_reserve(). @param when  ns: the file's mtime then */
void kev_log_append(struct kev_log *log, struct kev_record *record /* borrowed */, int64_t when);

/**
 * Make the current file, which there is not, of records of the first sync.
 * @param records  in their order; taken on success, with their references
 * @return 0 or -ENOMEM
 */
int kev_log_fill(struct kev_tree *tree, struct kev_log *log, struct kev_place home,
	struct kev_record **records, uint32_t count) KEV_MUST_USE;

/**
 * As logrotate does: the current file becomes the previous one, which is let go. Without a current one only
 * that.
 * @return whether anything changed
 */
bool kev_log_rotate(struct kev_log *log);

#endif
