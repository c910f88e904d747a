#ifndef KEVFS_DAEMON_H
#define KEVFS_DAEMON_H

#include <sys/types.h>

#include "kevfs/base/defs.h"

/**
 * Into the background, the way that threads and libraries survive: fork first, before there is a thread, and
 * let the parent wait until the child says that it is ready or exits. (fuse_daemonize() forks after the fact,
 * and loses every thread.)
 */

/** Open what is closed of standard input, output and error: else a pipe or /dev/fuse would get one of these
 * numbers, and what is written there. */
void kev_daemon_open_standard(void);

/**
 * Fork. Returns in the child, with the pipe's end to report on; the parent never returns: it exits with 0
 * when the child is ready, else with the child's own exit status. If the parent is killed before that, so is
 * the child: who was told that there is no mount must not get one.
 * @param ready  called in the parent before it exits with 0; may be NULL
 * @return a file descriptor, or -errno (nothing was forked)
 */
int kev_daemon_fork(void (*ready)(void *context, pid_t child), void *context) KEV_MUST_USE;

/** The child is ready: leave the session and the terminal, log to syslog, report, and wait (a moment) until
 * the parent has gone. fd is closed. */
void kev_daemon_ready(int fd);

#endif
