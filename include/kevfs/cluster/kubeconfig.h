#ifndef KEVFS_CLUSTER_KUBECONFIG_H
#define KEVFS_CLUSTER_KUBECONFIG_H

#include "kevfs/cluster/config.h"

/** What the environment says, so that tests need not change it. Borrowed; NULL where it is not set. */
struct kev_environment {
	const char *kubeconfig;                /**< KUBECONFIG: a ':' list */
	const char *home;                      /**< HOME, else the password database's */
	const char *service_host;              /**< KUBERNETES_SERVICE_HOST */
	const char *service_port;              /**< KUBERNETES_SERVICE_PORT */
	const char *service_account_directory; /**< /var/run/secrets/kubernetes.io/serviceaccount */
};

/** Read the process's environment. The strings stay getenv()'s and getpwuid()'s. */
void kev_environment_read(struct kev_environment *environment);

/**
 * The config of a kubeconfig context, merged and checked as client-go does. Every file that is read is
 * checked whole: syntax, types, base64, names that stand twice. Exec plugins and auth-provider are refused by
 * name (an exec plugin is ignored where the user has another credential, as for kubectl).
 * Source: client-go tools/clientcmd (loader.go, validation.go, client_config.go) v0.36.
 * @param path     the only file to read (-o kubeconfig=, must exist), or NULL for the environment's
 * @param context  NULL for the current context; where path is NULL and no file has a context that means the
 * service account, if there is one
 * @return 0 and a new config that passed kev_cluster_config_check(); -ENOENT (no such file or context: error
 * names the contexts there are), -EINVAL (error says which file, where, what), -EACCES, -EIO, -ENOMEM
 */
int kev_kubeconfig_load(const struct kev_environment *environment, const char *path, const char *context,
	struct kev_cluster_config **out, struct kev_error *error) KEV_MUST_USE;

/** The pod's own service account. @return the same */
int kev_kubeconfig_load_in_cluster(const struct kev_environment *environment, struct kev_cluster_config **out,
	struct kev_error *error) KEV_MUST_USE;

/** A bare URL, anonymous, with the system's certificate authorities. @return the same */
int kev_kubeconfig_load_url(
	const char *url, struct kev_cluster_config **out, struct kev_error *error) KEV_MUST_USE;

#endif
