#ifndef KEVFS_CLUSTER_PLUGIN_INFO_H
#define KEVFS_CLUSTER_PLUGIN_INFO_H

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/config.h"
#include "kevfs/cluster/document.h"
#include "kevfs/cluster/plugin_config.h"

/** What a plugin is told of the cluster that it is to log in at (provideClusterInfo). All borrowed. */
struct kev_plugin_cluster {
	const struct kev_cluster_config *config; /**< its certificate-authority is read here */
	struct kev_document *document;
	const struct kev_document_node *extension; /**< of document, or NULL */
};

/**
 * Make KUBERNETES_EXEC_INFO: an ExecCredential as JSON.
 * @param cluster  NULL: the plugin is told nothing of it
 * @param out      new; may hold a proxy's password
 * @return 0, -ENOMEM, or -EINVAL with the error set: the authority cannot be read, the extension cannot be
 * said as JSON, or all of it is more than Linux takes in one variable
 * Source: client-go rest/exec.go, pkg/apis/clientauthentication v0.36.
 */
int kev_plugin_info_print(const struct kev_plugin_config *config, const struct kev_plugin_cluster *cluster,
	char **out /* new */, struct kev_error *error) KEV_MUST_USE;

#endif
