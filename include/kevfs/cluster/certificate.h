#ifndef KEVFS_CLUSTER_CERTIFICATE_H
#define KEVFS_CLUSTER_CERTIFICATE_H

#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/** What a certificate says, for a person. Foreign text, cut where it is too long: whoever prints it escapes
 * it.
 */
struct kev_certificate {
	char subject[256], issuer[256]; /**< "CN=kube-apiserver,O=example" (RFC 2253) */
	char names[512];                /**< whom it is for: "DNS:localhost, IP Address:127.0.0.1" */
	int64_t from, until;            /**< seconds since the epoch; 0: it does not say */
};

/** Read the first certificate of a PEM text. @return 0, -EINVAL (there is none that can be read) or -ENOMEM;
 * out is untouched on failure */
int kev_certificate_read(struct kev_str pem, struct kev_certificate *out) KEV_MUST_USE;

struct x509_st;

/** The same of one of OpenSSL's. */
void kev_certificate_take(const struct x509_st *certificate, struct kev_certificate *out);

#endif
