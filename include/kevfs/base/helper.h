#ifndef KEVFS_BASE_HELPER_H
#define KEVFS_BASE_HELPER_H

#include <stdint.h>

#include "kevfs/base/defs.h"

/**
 * A small process from before the daemon gives its rights away: it runs one command, as often as it is asked,
 * and it unmounts one mountpoint, also when the daemon is gone without having done so (kev_helper_guard()).
 * Both are fixed when it starts, so nobody can ask for anything else.
 *
 * It keeps no descriptor, no directory and no terminal of whoever started the daemon; signals for the whole
 * group of processes do not reach it. It ends, and with it what it runs, as soon as the daemon is gone,
 * whatever ended that: then the other end of its sockets is closed.
 */
struct kev_helper;

/** All borrowed until kev_helper_start() returns: the process has its own copy. */
struct kev_helper_config {
	char *const *argv; /**< the command, NULL-terminated; NULL: it runs none */
	char *const *envp; /**< its environment, NULL-terminated */
	const char *path;  /**< the directories, separated by ':', where a command without '/' is looked for;
			      those that are not absolute are left out */
	const char *mountpoint; /**< absolute; NULL: it unmounts nothing */
	/** What kev_helper_guard() asked for, in the process, as the last that it does; NULL: nothing */
	void (*bereave)(const char *mountpoint, uint64_t mount);
};

/** Start it, while there is only one thread. @return 0 or -errno */
int kev_helper_start(const struct kev_helper_config *config, struct kev_helper **out) KEV_MUST_USE;
/** End it, and what it runs. NULL is a no-op. */
void kev_helper_destroy(struct kev_helper *helper);

/* One thread at a time may use what follows. */

/** How a run has ended. */
enum kev_helper_end {
	KEV_HELPER_EXITED,  /**< value: its exit status */
	KEV_HELPER_KILLED,  /**< value: the signal */
	KEV_HELPER_NOT_RUN, /**< value: an errno, of execve(2) or the like */
};

struct kev_helper_result {
	enum kev_helper_end end;
	int value;
};

/**
 * Run the command in a group of processes of its own, with /dev/null as its standard input. Its end is told
 * by kev_helper_take(), once for each run. One at a time: another one is told as NOT_RUN with EBUSY.
 * @param output, errors  its standard output and standard error; they stay the caller's
 * @return 0, -EPIPE (the process is gone), or another -errno of sendmsg(2)
 */
int kev_helper_run(struct kev_helper *helper, int output, int errors) KEV_MUST_USE;

/** Kill the run, and its whole group; its end is told all the same. */
void kev_helper_kill(struct kev_helper *helper);

/** A descriptor that poll(2) calls readable when kev_helper_take() has something to tell. */
int kev_helper_descriptor(const struct kev_helper *helper);

/** @return 0; -EAGAIN (nothing has ended), -EPIPE (the process is gone); out is untouched then */
int kev_helper_take(struct kev_helper *helper, struct kev_helper_result *out) KEV_MUST_USE;

/* Another thread may meanwhile use this one. */

/** Take the mountpoint away, at once, whoever is using it (MNT_DETACH). @return 0; -errno; -ETIMEDOUT (it
 * goes on trying), -EPIPE */
int kev_helper_unmount(struct kev_helper *helper, int timeout_ms) KEV_MUST_USE;

/** When the daemon is gone, whatever ended it, call bereave() with this mount; 0: not any more.
 * @return 0 or -errno */
int kev_helper_guard(struct kev_helper *helper, uint64_t mount) KEV_MUST_USE;

#endif
