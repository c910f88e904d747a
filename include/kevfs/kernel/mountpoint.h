#ifndef KEVFS_KERNEL_MOUNTPOINT_H
#define KEVFS_KERNEL_MOUNTPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"

/** What is on a mountpoint, without asking the filesystem that is: it may be ours, whose answers would have
 * to come from who waits for them here. */

/** Is it one that somebody else has mounted already, and hands over: "/dev/fd/N", as mount.fuse3(8) does with
 * drop_privileges? */
bool kev_mountpoint_is_handed(const char *mountpoint);

/** The mountpoint's absolute path without links, also where a dead mount hides it. @return new, or NULL with
 * errno
 */
char *kev_mountpoint_resolve(const char *given);

/**
 * Can something be mounted there? What is wrong is said before libfuse says it in fewer words.
 * @param mountpoint  as kev_mountpoint_resolve() gives it
 * @return 0, or -errno with the reason, and what to do
 */
int kev_mountpoint_check(const char *mountpoint, struct kev_error *error) KEV_MUST_USE;

/** The same, and make it so: a mount of ours that nobody serves any more, as a kill -9 leaves it, is taken
 * away first. */
int kev_mountpoint_prepare(const char *mountpoint, struct kev_error *error) KEV_MUST_USE;

/** The device of what is on top of a mountpoint, or 0. */
dev_t kev_mountpoint_device(const char *mountpoint);

/** The number of the mount that is on top of a mountpoint, or 0. Before Linux 6.8 another one may get it when
 * that is gone. */
uint64_t kev_mountpoint_number(const char *mountpoint);

/** Take away the mount of that number, if it is ours and nobody serves it any more. Who served it may be
 * ending still: it is waited for. Any other mount stays. */
void kev_mountpoint_bereave(const char *mountpoint, uint64_t number);

#endif
