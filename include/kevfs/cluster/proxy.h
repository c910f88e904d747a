#ifndef KEVFS_CLUSTER_PROXY_H
#define KEVFS_CLUSTER_PROXY_H

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/config.h"
#include "kevfs/cluster/origin.h"

/**
 * Whether a server is asked through a proxy. The rules are kubectl's, which are not curl's: NO_PROXY is held
 * against the server itself, whatever its tls-server-name; loopback never goes through a proxy of the
 * environment; ALL_PROXY does not count.
 * Source: golang.org/x/net/http/httpproxy.
 */

/** What the environment says. Borrowed; NULL where it is not set. */
struct kev_proxy_environment {
	const char *http_proxy;  /**< HTTP_PROXY, else http_proxy */
	const char *https_proxy; /**< HTTPS_PROXY, else https_proxy */
	const char *no_proxy;    /**< NO_PROXY, else no_proxy */
};

/** Read the process's environment. The strings stay getenv()'s. */
void kev_proxy_environment_read(struct kev_proxy_environment *environment);

/**
 * @param out  the proxy's URL (http, https or socks5h), which may hold a password: wipe it. NULL: none.
 * Untouched on failure.
 * @return 0, -ENOMEM, or -EINVAL with the error set: the variable's value is no proxy
 */
int kev_proxy_choose(const struct kev_cluster_config *config, const struct kev_origin *origin,
	const struct kev_proxy_environment *environment, char **out /* new */,
	struct kev_error *error) KEV_MUST_USE;

/** A proxy's URL without user and password, to be shown: "http://proxy:3128". @return new, or NULL on ENOMEM
 */
char *kev_proxy_label(const char *url);

/** Who names the proxy of a server that has one: "proxy-url", "HTTPS_PROXY", "https_proxy". */
const char *kev_proxy_said_by(const struct kev_cluster_config *config, const struct kev_origin *origin);

/** Does a NO_PROXY list name the host (without brackets, lower case) or does it stand for this machine? */
bool kev_proxy_is_bypassed(const char *no_proxy, const char *host, const char *port);

#endif
