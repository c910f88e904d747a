#ifndef KEVFS_RESOLVE_H
#define KEVFS_RESOLVE_H

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/helper.h"
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
 * @return 0, -ENOMEM, or -EINVAL (it lies in the mountpoint, or begins with a ~ that nobody has expanded)
 */
int kev_resolve_state(const struct kev_options *options, const char *mountpoint, char **out,
	struct kev_error *error) KEV_MUST_USE;

/**
 * The namespaces that are shown, as the history in -o state knows them: with commas between them, in an order
 * of their own.
 * @return 0 or -ENOMEM
 */
int kev_resolve_namespaces(const struct kev_options *options, struct kev_buf *out) KEV_MUST_USE;

/**
 * Start the process that runs the source's exec plugin, and that unmounts. While there is no other thread.
 * @param cluster     NULL: a file; the helper is set in it
 * @param mountpoint  absolute; NULL: nobody unmounts
 * @param out         NULL where there is nothing to do for it
 * @return 0, or -errno with the reason
 */
int kev_resolve_helper(const struct kev_options *options, struct kev_cluster_config *cluster,
	const char *mountpoint, struct kev_helper **out, struct kev_error *error) KEV_MUST_USE;

#endif
