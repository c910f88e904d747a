#ifndef KEVFS_TREE_REPORT_H
#define KEVFS_TREE_REPORT_H

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/store/store.h"
#include "kevfs/tree/role.h"

/**
 * The files that say how kevfs is: each text is made when somebody looks the file up, and unchanged from then
 * on.
 *
 * Each LOOKUP gives out a report of its own, under a node number of its own, to a kernel that keeps the name
 * for no time: so whoever opens the file has a new one, and its size is that of its content. The kernel's
 * FORGET frees it. All of one file are one for who looks at st_ino.
 *
 * Who opens one keeps it for as long as he likes, so they are bounded together. Over that nobody gets one: an
 * older one in its place could say that all is well when it is not.
 */
struct kev_report;

/** What all reports that somebody has may take, bytes. The largest is an eighth of it; most are some KiB. */
#define KEV_REPORTS_MAX (64U << 20)

/** Their st_ino. */
#define KEV_INO_STATUS 3
#define KEV_INO_METRICS 4
#define KEV_INO_VERSION 5

/** Where a report takes from what it says. All borrowed. */
struct kev_report_source {
	struct kev_store *store;
	const struct kev_tree_about *about;
	const struct kev_clock *clock;
};

/** Write what a report says. No lock is held; it may take others, and waits for nothing else. @return 0, the
 * buffer's error or -ENOMEM */
typedef int kev_report_fn(struct kev_buf *out, const struct kev_report_source *source);

/** A role's make: @return 0, and a place that is to be given up with its role's drop; -ENFILE
 * (KEV_REPORTS_MAX) or -ENOMEM */
int kev_report_make(
	struct kev_tree *tree, kev_report_fn *write, uint64_t ino, struct kev_place *out) KEV_MUST_USE;

void kev_report_unref(struct kev_report *report);

/** The text, borrowed. */
struct kev_str kev_report_text(const struct kev_report *report);

extern const struct kev_role kev_role_report; /**< item: a report */

#endif
