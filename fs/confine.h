#ifndef KEVFS_CONFINE_H
#define KEVFS_CONFINE_H

#include "kevfs/base/defs.h"

/**
 * What the process gives up, since it reads what strangers write: once the mount is there it needs to read
 * files, to talk to its server and to answer the kernel, and nothing else. What does more for it is the
 * helper (base/helper.h), which was forked before.
 *
 * A build with a sanitizer gives nothing up: LeakSanitizer attaches to its own process.
 */

/** From the beginning on: no other process of this user can look into this one, and it leaves no core. */
void kev_confine_memory(void);

/** Before there are threads: of root's capabilities only those are kept by which files are read and the mount
 * is made. */
void kev_confine_capabilities(void);

/**
 * When the mount is there, for all threads, those to come among them: no new programs and processes, no new
 * rights, and none of the calls that change the system, or look into other processes. They fail with EPERM.
 * @return 0, or -errno: the kernel cannot do it
 */
int kev_confine(void) KEV_MUST_USE;

#endif
