#ifndef KEVFS_KERNEL_DEVICE_H
#define KEVFS_KERNEL_DEVICE_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "kevfs/base/defs.h"

/**
 * What libfuse before 3.17 keeps from the kernel: that directories may be looked up in and listed by many at
 * once (FUSE_PARALLEL_DIROPS; libfuse commit c9905341 passes it on). Without it the kernel makes all who want
 * something of a directory wait, where no signal reaches them, for the one request that is under way: with -o
 * delay_sync a killed ls would stay until the sync, and timeouts would add up.
 *
 * So with such a libfuse the session's reads and writes go through functions of ours, which complete the
 * answer to INIT.
 *
 * @param session  mounted, with a struct kev_ops as its userdata
 * @return 0 or -errno
 */
int kev_device_attach(struct fuse_session *session) KEV_MUST_USE;

#endif
