#ifndef KEVFS_CLUSTER_CONTEXT_H
#define KEVFS_CLUSTER_CONTEXT_H

#include "kevfs/cluster/config.h"
#include "kevfs/cluster/stanza.h"

/** A stanza and the file where it stands. Both borrowed. */
struct kev_context_part {
	const struct kev_stanza_file *file;
	const struct kev_stanza *stanza;
};

/** One kubeconfig context with what it names. */
struct kev_context {
	struct kev_str name;
	struct kev_context_part context, cluster;
	struct kev_context_part user; /**< stanza NULL: the context names no user, anonymous */
};

/**
 * Make of a context what the HTTP room needs: paths made absolute from their own file's directory, data
 * decoded, what this version cannot do refused.
 * @return 0 and a new config, not checked yet; -ENOMEM, or -EINVAL with the error set
 */
int kev_context_config(const struct kev_context *context, struct kev_cluster_config **out,
	struct kev_error *error) KEV_MUST_USE;

#endif
