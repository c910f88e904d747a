#ifndef KEVFS_CLUSTER_JWT_H
#define KEVFS_CLUSTER_JWT_H

#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/** What a JSON Web Token says of itself: nobody has checked it. */
struct kev_jwt {
	int64_t from, until; /**< nbf and exp, seconds since the epoch; 0: it does not say */
};

/** No token is longer: HTTP servers take heads of that size. */
#define KEV_JWT_MAX 65536U

/**
 * Read a token's middle part (RFC 7519): base64url without padding, of a JSON object. Its signature is not
 * looked at, and may be anything.
 * @param out  untouched on failure
 * @return 0, -EINVAL (no JWT: many tokens are none) or -ENOMEM
 */
int kev_jwt_read(struct kev_str token, struct kev_jwt *out) KEV_MUST_USE;

#endif
