#ifndef KEVFS_CLUSTER_CONFIG_H
#define KEVFS_CLUSTER_CONFIG_H

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"

/**
 * Where a cluster is and who we are there: what one kubeconfig context, a service account or a URL says.
 * Every string is owned, NUL-terminated, and NULL where it is not set. Paths are absolute. Secrets are wiped
 * when the struct is destroyed.
 */
struct kev_cluster_config {
	char *source;     /**< for messages: "context prod", "in-cluster", the URL */
	char *server;     /**< "https://host:6443/prefix", without a trailing '/' */
	char *namespace_; /**< the context's namespace, or NULL */

	char *ca_file;         /**< certificate-authority */
	char *ca_data;         /**< certificate-authority-data: PEM, decoded; wins over ca_file */
	bool insecure;         /**< insecure-skip-tls-verify */
	char *tls_server_name; /**< for SNI and verification in place of the host */
	char *proxy_url;       /**< proxy-url: http, https, socks5; NULL: the environment decides */

	char *cert_file, *cert_data; /**< client certificate: path, or PEM, which wins */
	char *key_file, *key_data;   /**< its key */
	char *token;                 /**< bearer token */
	char *token_file;            /**< read again as it rotates; wins over token while it is readable */
	char *username, *password;   /**< basic authentication */
};

/** @return new and empty, or NULL on ENOMEM */
struct kev_cluster_config *kev_cluster_config_create(void);
void kev_cluster_config_destroy(struct kev_cluster_config *config);
static inline void kev_cluster_config_destroyp(struct kev_cluster_config **config)
{
	kev_cluster_config_destroy(*config);
}

/**
 * Check what no server would accept or what would be unsafe: server missing, not http or https, or with
 * user:password@, a query or a fragment; a credential over plain http; CA and insecure; token and basic; a
 * certificate without a key or the other way round; a proxy-url of another scheme; files that cannot be read.
 * @return 0 or -EINVAL with the error set
 */
int kev_cluster_config_check(const struct kev_cluster_config *config, struct kev_error *error) KEV_MUST_USE;

#endif
