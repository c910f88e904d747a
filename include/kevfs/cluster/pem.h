#ifndef KEVFS_CLUSTER_PEM_H
#define KEVFS_CLUSTER_PEM_H

#include <stddef.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/**
 * Decode standard base64 with padding; \r and \n anywhere are skipped, as Go's decoder does.
 * @param out      new, with a NUL behind it that out_len does not count; wipe it, as it may be a secret
 * @return 0, -EINVAL or -ENOMEM
 */
int kev_pem_decode_base64(struct kev_str text, char **out /* new */, size_t *out_len) KEV_MUST_USE;

/**
 * What is wrong with a certificate bundle, in words that follow the name of the file or field: "holds no
 * certificate (-----BEGIN CERTIFICATE-----)". It looks for the block's first line only; OpenSSL reads the
 * rest when the connection is made.
 * @return NULL where it is fine
 */
const char *kev_pem_check_certificate(struct kev_str text);

/** The same for a private key. An encrypted one is refused, as nobody can be asked for its passphrase. */
const char *kev_pem_check_key(struct kev_str text);

#endif
