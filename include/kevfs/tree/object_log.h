#ifndef KEVFS_TREE_OBJECT_LOG_H
#define KEVFS_TREE_OBJECT_LOG_H

#include <stdbool.h>

#include "kevfs/tree/edit.h"

struct kev_object;

/**
 * An object's log, which is implied by the events that it has as long as nothing else was seen of them than
 * what the first sync brought: twenty thousand objects would each have a file that mostly nobody looks at. It
 * is made when somebody does, or before the first change.
 *
 * While the first sync is logged, the logs of the namespaces are written as always, and of those of the
 * objects it is only counted what they would have. Then kev_object_logs_imply() finds those that are implied;
 * the others are written with kev_object_log_write(). An object of very many events has one of these, since
 * whoever looks would wait while it is made.
 *
 * Under the tree's lock, like everything here.
 */

/** A record of the first sync belongs to the object, which is prepared. @param current  the object has its
 * event */
void kev_object_log_count(struct kev_object *object, bool current);

/** The first sync is logged, or before a rotation what there is of it. @return some logs are not implied, and
 * have nothing of it */
bool kev_object_logs_imply(struct kev_tree *tree);

/** Append a record of the first sync to its object's log, if that is not implied. Each in its turn, behind
 * kev_object_logs_imply(). @return 0 or -ENOMEM */
int kev_object_log_write(struct kev_edit *edit, struct kev_record *record /* borrowed */) KEV_MUST_USE;

/** Make the log, if it is implied: before the events change that it is implied by. @return 0 or -ENOMEM */
int kev_object_log_make(struct kev_object *object) KEV_MUST_USE;

/** kev_log_rotate() for an object's. */
void kev_object_log_rotate(struct kev_object *object);

#endif
