#ifndef KEVFS_CLUSTER_IDENTITY_H
#define KEVFS_CLUSTER_IDENTITY_H

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/config.h"

/**
 * What proves the server to us and us to the server: PEM texts, read from their files or from the config, and
 * found usable. An empty one is not set.
 */
struct kev_identity {
	struct kev_buf ca, certificate, key;
};

void kev_identity_init(struct kev_identity *identity);

/** Wipes the key. */
void kev_identity_fini(struct kev_identity *identity);

/**
 * Read and check all of it: every certificate parses, the key is not encrypted and belongs to the
 * certificate, which has not expired (unless there is a token or a password to go on with). Over plain http
 * there is nothing to read.
 * @param out  initialised; what it held is replaced; untouched on failure
 * @return 0, -ENOMEM, or -EINVAL with the error set, which names the file or the field
 */
int kev_identity_load(struct kev_identity *out, const struct kev_cluster_config *config,
	const struct kev_clock *clock, struct kev_error *error) KEV_MUST_USE;

/** Put another certificate and its key in place of what there is, checked the same way; empty ones: none.
 * @return the same */
int kev_identity_set_pair(struct kev_identity *identity, struct kev_str certificate, struct kev_str key,
	const struct kev_clock *clock, struct kev_error *error) KEV_MUST_USE;

#endif
