#ifndef KEVFS_CHECK_NAME_H
#define KEVFS_CHECK_NAME_H

#include <stdbool.h>

#include "check_run.h"

#include "kevfs/cluster/origin.h"

/** Through what the server is asked. */
struct kev_check_way {
	char *proxy;         /**< without its password, "http://proxy:3128": owned; NULL: none */
	char *host;          /**< whose name has to be found: the proxy's, or the server's; owned */
	bool tls_proxy;      /**< it is asked over TLS */
	const char *said_by; /**< as kev_proxy_said_by() */
};

/** Find it out. @return 0, -ENOMEM, or -EINVAL with the error set */
int kev_check_way_init(struct kev_check_way *way, const struct kev_cluster_config *config,
	const struct kev_origin *origin, struct kev_error *error);
void kev_check_way_fini(struct kev_check_way *way);

/** Look the name up, and say so. @return whether there is an address */
bool kev_check_name(struct kev_check *check, const struct kev_check_way *way);

#endif
