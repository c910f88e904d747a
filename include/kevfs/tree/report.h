#ifndef KEVFS_TREE_REPORT_H
#define KEVFS_TREE_REPORT_H

#include "kevfs/store/store.h"
#include "kevfs/tree/role.h"

/**
 * What /.kevfs/status says: a JSON object, made when somebody looks the file up, and unchanged from then on.
 *
 * Each LOOKUP gives out a report of its own, under a node number of its own, to a kernel that keeps the name
 * for no time: so whoever opens the file has a new one, and its size is that of its content. The kernel's
 * FORGET frees it. All of them are one file for who looks at st_ino.
 *
 * Each member stands on a line of its own, indented as kubectl does it, so that grep finds it where there is
 * no jq. To say more: a member in kev_report_create(), and a line in the man page.
 */
struct kev_report;

/** Its st_ino. */
#define KEV_INO_REPORT 3

/** Taken without any lock: it takes those of the store and of the health. @return a new reference, or NULL on
 * ENOMEM */
struct kev_report *kev_report_create(
	struct kev_store *store, const struct kev_tree_about *about, const struct kev_clock *clock);
void kev_report_unref(struct kev_report *report);

/** The text, borrowed. */
struct kev_str kev_report_text(const struct kev_report *report);

extern const struct kev_role kev_role_report; /**< item: a report */

#endif
