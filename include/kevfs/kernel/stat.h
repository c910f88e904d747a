#ifndef KEVFS_KERNEL_STAT_H
#define KEVFS_KERNEL_STAT_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "kevfs/tree/tree.h"

/** A node's attributes, as the kernel wants to have them. */

/** df's unit, and what a reader should take at once. */
#define KEV_STAT_BLOCK 4096

struct kev_stat_config {
	uid_t uid; /**< owner of everything */
	gid_t gid;
	mode_t umask;    /**< taken away from 0444 and 0555 */
	bool mtime_last; /**< the mtime of an event is kev_attr.last */
};

void kev_stat_fill(const struct kev_stat_config *config, const struct kev_attr *attr, struct stat *out);

/** The same, and the time of birth, where there is one. */
void kev_stat_fill_x(const struct kev_stat_config *config, const struct kev_attr *attr, struct statx *out);

#endif
