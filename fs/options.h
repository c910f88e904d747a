#ifndef KEVFS_OPTIONS_H
#define KEVFS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/log.h"
#include "kevfs/store/bounds.h"
#include "kevfs/store/retained.h"

/** Of -o state without -o retain: a day. */
#define KEV_OPTIONS_STATE_AGE (86400 * KEV_NS_PER_SEC)

/** -o replay=1 */
#define KEV_OPTIONS_REPLAY_ONE 1000000U

/** What the command line says. Every string is owned. */
struct kev_options {
	char *source;     /**< as given: "-", "in-cluster", a URL, "file:PATH" or a context's name */
	char *mountpoint; /**< as given */

	bool foreground;    /**< -f, or implied by -d */
	bool debug;         /**< -d */
	bool single_thread; /**< -s */
	bool help;          /**< -h: nothing else was looked at */
	bool version;       /**< -V: the same */
	bool check;         /**< of kevfs check: the mountpoint may be missing (NULL) */
	bool json;          /**< --json, of kevfs check */

	char **namespaces; /**< NULL-terminated; NULL: all */
	size_t namespace_count;
	char *field_selector;         /**< joined with ',', or NULL */
	char *kubeconfig;             /**< or NULL */
	char *mount_options;          /**< what libfuse is to see, comma-separated, or NULL */
	bool auto_unmount;            /**< not left to libfuse */
	bool ro, default_permissions; /**< given: matters only where somebody else mounts (drop_privileges) */
	unsigned sync_timeout;        /**< seconds */
	unsigned max_watches;         /**< of namespaces, one by one */
	bool delay_sync;
	uint64_t replay;          /**< in units of 1 / KEV_OPTIONS_REPLAY_ONE; 0: no replay */
	uint64_t log_max;         /**< bytes; 0: no logs */
	struct kev_retain retain; /**< with a state, never nothing */
	struct kev_bounds bounds; /**< how much there may be of Events */
	char *state;              /**< the directory, as given, or NULL */
	char *exec_path;          /**< where exec plugins are looked for, or NULL */
	unsigned exec_timeout;    /**< seconds that one has */
	enum kev_log_level log_level;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	bool mtime_last; /**< -o mtime=last */
	bool xattr;      /**< events' files have extended attributes */
};

/**
 * Parse a command line. Commas in an -o value are written "\,", a backslash before them "\\".
 * @return 0; -EINVAL with a reason that names the option; -ENOMEM. Call kev_options_fini() in any case.
 */
int kev_options_parse(
	struct kev_options *options, int argc, char **argv, struct kev_error *error) KEV_MUST_USE;
void kev_options_fini(struct kev_options *options);

/** The same for `kevfs check`. @param argv  begins with "check" */
int kev_options_parse_check(
	struct kev_options *options, int argc, char **argv, struct kev_error *error) KEV_MUST_USE;

/** Print what --help prints: made from the table that parses. */
void kev_options_print_help(FILE *out);

#endif
