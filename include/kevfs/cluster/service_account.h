#ifndef KEVFS_CLUSTER_SERVICE_ACCOUNT_H
#define KEVFS_CLUSTER_SERVICE_ACCOUNT_H

#include <stdbool.h>

#include "kevfs/cluster/config.h"
#include "kevfs/cluster/kubeconfig.h"

/** The process runs in a pod that has one: the server's host and port, and a token. */
bool kev_service_account_is_there(const struct kev_environment *environment);

/**
 * What a pod's service account says. Its CA may be missing: then the system's count, as for client-go.
 * @return 0 and a new config, not checked yet; -ENOENT (not in a pod), -EINVAL, -ENOMEM
 */
int kev_service_account_config(const struct kev_environment *environment, struct kev_cluster_config **out,
	struct kev_error *error) KEV_MUST_USE;

#endif
