#ifndef KEVFS_CLUSTER_BADGE_H
#define KEVFS_CLUSTER_BADGE_H

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"
#include "kevfs/cluster/certificate.h"
#include "kevfs/cluster/jwt.h"

/** What we show to the server, for a person: never the secret itself. */
struct kev_badge {
	bool has_certificate;               /**< a client certificate */
	struct kev_certificate certificate; /**< what that says */
	enum kev_badge_header {
		KEV_BADGE_NOTHING,
		KEV_BADGE_TOKEN,
		KEV_BADGE_PASSWORD,
	} header;             /**< what goes with each request */
	struct kev_jwt token; /**< what a token says of itself, where it is a JWT; else zeros */
};

/**
 * @param header       "Authorization: Bearer …", wherever that comes from; or empty
 * @param certificate  PEM; or empty
 * @return 0, or -ENOMEM with out untouched
 */
int kev_badge_read(struct kev_str header, struct kev_str certificate, struct kev_badge *out) KEV_MUST_USE;

#endif
