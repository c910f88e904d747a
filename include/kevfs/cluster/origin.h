#ifndef KEVFS_CLUSTER_ORIGIN_H
#define KEVFS_CLUSTER_ORIGIN_H

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "kevfs/cluster/config.h"

/**
 * How a server is addressed. With a tls-server-name the URL names that, so that the TLS library asks for it
 * and checks it as it would a host; the Host header and the connection itself stay with the server's own.
 * Every string is owned.
 */
struct kev_origin {
	bool secure;       /**< https */
	char *label;       /**< for messages: "https://host:6443", without the prefix */
	char *host;        /**< "host", "192.0.2.1", "::1": without brackets, lower case */
	char *port;        /**< "6443", or the scheme's own */
	char *url;         /**< what the paths of requests go behind; no '/' at its end */
	char *host_header; /**< "Host: host:6443", or NULL where the URL says it */
	char *connect_to;  /**< "name:port:host:port", as curl takes it, or NULL */
};

/**
 * @param config  its server as kev_url_server() gives it
 * @param out     untouched on failure; end with kev_origin_fini()
 * @return 0, -EINVAL (the server is in another form) or -ENOMEM
 */
int kev_origin_init(struct kev_origin *out, const struct kev_cluster_config *config) KEV_MUST_USE;
void kev_origin_fini(struct kev_origin *origin);

#endif
