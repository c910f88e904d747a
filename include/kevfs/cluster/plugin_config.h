#ifndef KEVFS_CLUSTER_PLUGIN_CONFIG_H
#define KEVFS_CLUSTER_PLUGIN_CONFIG_H

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/stanza.h"

/** Where plugins are looked for if there is no PATH, as under mount(8). */
#define KEV_PLUGIN_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** Seconds that a plugin has, unless somebody says otherwise. */
#define KEV_PLUGIN_TIMEOUT 60

#define KEV_PLUGIN_V1 "client.authentication.k8s.io/v1"
#define KEV_PLUGIN_V1BETA1 "client.authentication.k8s.io/v1beta1"

/**
 * How a credential plugin (users[].user.exec) is run. Every string is owned; all of it is wiped, as arguments
 * and variables may be secrets.
 */
struct kev_plugin_config {
	char *name;         /**< the command as the kubeconfig has it, for messages */
	char **argv;        /**< the command, absolute where it holds a '/', then its arguments */
	char **env;         /**< "NAME=value" */
	char *api_version;  /**< KEV_PLUGIN_V1 or _V1BETA1 */
	char *install_hint; /**< what to do where there is no such command, or NULL */
	char *info;         /**< KUBERNETES_EXEC_INFO */
	bool interactive;   /**< it cannot do without a terminal, which we never have */
	int timeout;        /**< seconds */
};

/**
 * What a user's exec says, checked as client-go does: a command, its apiVersion, an interactiveMode (which
 * v1beta1 may leave out). info is not set yet.
 * @param node  exec of the kev_stanza_user
 * @return 0 and a new config; -ENOMEM, or -EINVAL with the error set, which does not say where
 * Source: client-go tools/clientcmd/validation.go, plugin/pkg/client/auth/exec/exec.go v0.36.
 */
int kev_plugin_config_read(const struct kev_stanza_file *file, const struct kev_stanza *user,
	const struct kev_document_node *node, struct kev_plugin_config **out,
	struct kev_error *error) KEV_MUST_USE;
void kev_plugin_config_destroy(struct kev_plugin_config *config);

/**
 * The whole environment of the plugin: ours, its own variables, KUBERNETES_EXEC_INFO. Of those that stand
 * there twice the last one counts.
 * @param ours  NULL-terminated
 * @param path  PATH in place of ours
 * @param out   new, NULL-terminated; untouched on error; end with kev_plugin_environment_free(), which wipes
 * it
 * @return 0 or -ENOMEM
 */
int kev_plugin_environment(const struct kev_plugin_config *config, char *const *ours, const char *path,
	char ***out) KEV_MUST_USE;
void kev_plugin_environment_free(char **environment);

#endif
