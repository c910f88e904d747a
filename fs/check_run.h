#ifndef KEVFS_CHECK_RUN_H
#define KEVFS_CHECK_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "check_ask.h"
#include "check_report.h"
#include "options.h"

#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"
#include "kevfs/cluster/config.h"

/** Who has no credential, as API servers call him. */
#define KEV_CHECK_ANONYMOUS "system:anonymous"

/** One check, from the command line to its last line. */
struct kev_check {
	const struct kev_options *options;
	const struct kev_clock *clock;
	int64_t deadline; /**< monotonic ns: then all is over */
	struct kev_check_report report;
	struct kev_cluster_config *cluster; /**< NULL for a file */
	char *dump;                         /**< that file */
	struct kev_helper *helper;          /**< runs an exec plugin; NULL where there is none */
	struct kev_check_asker asker;
	char user[256];  /**< whom the server takes us for; "" where that is not known */
	bool grant_told; /**< how what is forbidden could be permitted stands in a line already */
	bool abandoned;  /**< a step hangs in a thread of its own: nothing that it may use can be freed */
};

/* The steps. Each writes its lines. */

/** Name, connection, TLS, the API's version, the credential. @return whether it makes sense to ask for more
 */
bool kev_check_server(struct kev_check *check);

/** What may be listed and watched, and so how a mount would go about it. */
void kev_check_rights(struct kev_check *check);

/** An event, the first of a list: its time, and its path. @param item  its JSON; empty: there is none */
void kev_check_sample(struct kev_check *check, struct kev_str item);

struct kev_event;
struct kev_kinds;

/** The same of one that was read. */
void kev_check_sample_event(
	struct kev_check *check, const struct kev_kinds *kinds, const struct kev_event *event);

/** What this machine has to have, for the mount. */
void kev_check_local(struct kev_check *check);

/** A file in place of a cluster. */
void kev_check_file(struct kev_check *check);

/* What they share. */

/**
 * Do something that may hang for ever, such as to look at a file on a server that is gone: in a thread of its
 * own.
 * @param seconds  that it is given at most; 0: all that is left
 * @param context  on -ETIMEDOUT it is the thread's for ever, and the process can only leave by _exit()
 * @return what run() returned; -ETIMEDOUT; -EAGAIN (there can be no thread)
 */
int kev_check_bounded(
	struct kev_check *check, int seconds, int (*run)(void *context), void *context) KEV_MUST_USE;

/** Room for what these write. */
#define KEV_CHECK_TIME_SIZE 32

/** "2026-11-27 18:04 UTC" */
const char *kev_check_date(int64_t seconds, char out[KEV_CHECK_TIME_SIZE]);

/** "34 days", "3 hours", "7 minutes", "1.4 ms". @param ns  not negative */
const char *kev_check_span(int64_t ns, char out[KEV_CHECK_TIME_SIZE]);

#endif
