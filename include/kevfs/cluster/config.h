#ifndef KEVFS_CLUSTER_CONFIG_H
#define KEVFS_CLUSTER_CONFIG_H

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"

/** The largest certificate, key or CA bundle that is read. */
#define KEV_CLUSTER_PEM_MAX (4U << 20)

struct kev_helper;
struct kev_plugin_config;

/**
 * Where a cluster is and who we are there: what one kubeconfig context, a service account or a URL says.
 * Every string is owned, NUL-terminated, and NULL where it is not set (never empty). Paths are absolute.
 * Everything is wiped when the struct is destroyed.
 *
 * Over plain http no credential is ever sent and nothing of TLS applies, as for client-go: the mount works
 * where the server asks for neither (kubectl proxy), and whoever mounts warns once if
 * kev_cluster_config_withholds_credential() says so.
 */
struct kev_cluster_config {
	char *source;     /**< for messages: "context prod", "in-cluster", the URL */
	char *server;     /**< "https://host:6443/prefix", as kev_url_server() gives it */
	char *namespace_; /**< the context's namespace, or NULL */

	char *ca_file;         /**< certificate-authority */
	char *ca_data;         /**< certificate-authority-data: PEM, decoded; never both */
	bool insecure;         /**< insecure-skip-tls-verify */
	char *tls_server_name; /**< for SNI and verification in place of the host */
	char *proxy_url; /**< http, https or socks5 (the proxy resolves names); may hold a password, so never
			    print it; NULL: the environment decides */
	bool disable_compression; /**< no Accept-Encoding, on any request */

	char *cert_file, *cert_data; /**< client certificate: path or PEM; never both */
	char *key_file, *key_data;   /**< its key; never both */
	char *token;                 /**< bearer token */
	char *token_file;            /**< read again as it rotates; wins over token while it is readable */
	char *username, *password;   /**< basic authentication */
	struct kev_plugin_config *plugin; /**< logs in where there is nothing of the above; or NULL */
	struct kev_helper *helper;        /**< borrowed: what runs the plugin; must outlive all requests */
	char **impersonate; /**< header lines that say whom we act as, NULL-terminated; sent over http, too */
};

/** @return new and empty, or NULL on ENOMEM */
struct kev_cluster_config *kev_cluster_config_create(void);
void kev_cluster_config_destroy(struct kev_cluster_config *config);
static inline void kev_cluster_config_destroyp(struct kev_cluster_config **config)
{
	kev_cluster_config_destroy(*config);
}

/** The namespace that kubectl asks where none is given: the context's, else "default". Borrowed. */
const char *kev_cluster_config_namespace(const struct kev_cluster_config *config);

/** The server is asked over TLS, so credentials may be sent. */
bool kev_cluster_config_is_secure(const struct kev_cluster_config *config);

/** There is a credential, but the server is plain http, so it is not sent. Worth a warning, once. */
bool kev_cluster_config_withholds_credential(const struct kev_cluster_config *config);

/**
 * Check what no server would accept or what would be unsafe: server missing, not http or https, or with
 * user:password@, a query or a fragment; CA or certificate or key both as file and as data; CA and insecure;
 * token (or token file) and basic; a certificate without a key or the other way round; an encrypted key; a
 * namespace, a tls-server-name, a token or a proxy-url that cannot be one; files that cannot be read, and
 * certificates and keys that are not PEM. A token file may be missing where there is a token too.
 * @return 0, -ENOMEM, or -EINVAL with the error set, which begins with the source and never shows a secret
 */
int kev_cluster_config_check(const struct kev_cluster_config *config, struct kev_error *error) KEV_MUST_USE;

#endif
