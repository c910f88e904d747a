#ifndef KEVFS_RESOLVE_H
#define KEVFS_RESOLVE_H

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/config.h"
#include "options.h"

/** What the words of the command line stand for. Nothing is asked of the network here. */

/**
 * Where the events come from.
 * @param cluster  a new config, or NULL where it is a file
 * @param dump     that file's absolute path, or "-": new; else NULL
 * @return 0, -ENOMEM, or -errno with the reason
 */
int kev_resolve_source(const struct kev_options *options, struct kev_cluster_config **cluster, char **dump,
	struct kev_error *error) KEV_MUST_USE;

/**
 * Where -o state is kept.
 * @param mountpoint  absolute; NULL: not known
 * @param out         absolute: new
 * @return 0, -ENOMEM, or -EINVAL (it lies in the mountpoint)
 */
int kev_resolve_state(const struct kev_options *options, const char *mountpoint, char **out,
	struct kev_error *error) KEV_MUST_USE;

#endif
