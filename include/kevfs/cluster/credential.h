#ifndef KEVFS_CLUSTER_CREDENTIAL_H
#define KEVFS_CLUSTER_CREDENTIAL_H

#include <stdbool.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/cluster/config.h"

/** The credential as it is now: token files are read again as they rotate. Used by one thread. */
struct kev_credential;

/** All borrowed; must outlive it. @return new, or NULL on ENOMEM */
struct kev_credential *kev_credential_create(
	const struct kev_cluster_config *config, const struct kev_clock *clock);
void kev_credential_destroy(struct kev_credential *credential);

/**
 * The Authorization header to send now. A token file is read again when its content is 50 s old (client-go's
 * minute less its leeway of 10 s); while it cannot be read or holds no token, its last good token is kept,
 * then the config's own.
 * @param out  set to the whole header ("Authorization: Bearer …"), or emptied where none is to be sent (a
 * client certificate, anonymous, or plain http). Untouched on error. Wipe it after use.
 * @return 0; -EINVAL (the token file is empty or holds bytes that cannot stand in a header), -ENOENT, -EACCES
 * or another errno of reading the token file (there is no other token), -EMSGSIZE (over out's cap), -ENOMEM
 */
int kev_credential_header(
	struct kev_credential *credential, struct kev_buf *out, struct kev_error *error) KEV_MUST_USE;

/** The server answered 401: read everything anew at the next call. @return true if that could help (there is
 * a file to read again) */
bool kev_credential_refresh(struct kev_credential *credential);

#endif
