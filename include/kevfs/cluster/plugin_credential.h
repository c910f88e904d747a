#ifndef KEVFS_CLUSTER_PLUGIN_CREDENTIAL_H
#define KEVFS_CLUSTER_PLUGIN_CREDENTIAL_H

#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"

/** The most that a plugin may print. */
#define KEV_PLUGIN_OUTPUT_MAX (1U << 20)

/** What a plugin has printed: a token, or a certificate and its key (PEM), or both. Empty: not set. */
struct kev_plugin_credential {
	struct kev_buf token, certificate, key;
	int64_t expires; /**< ns since the epoch; INT64_MAX: it does not say */
};

void kev_plugin_credential_init(struct kev_plugin_credential *credential);
/** Wipes all of it; it is then as after kev_plugin_credential_init(). */
void kev_plugin_credential_fini(struct kev_plugin_credential *credential);

/**
 * Read an ExecCredential.
 * @param api_version  which it must be of: the one that the kubeconfig names
 * @param out          initialised; what it held is wiped and replaced; untouched on error
 * @return 0, -ENOMEM, or -EINVAL with the error set: words behind the plugin's name ("prints no JSON"), which
 * never show a secret
 * Source: client-go plugin/pkg/client/auth/exec/exec.go, pkg/apis/clientauthentication/v1/types.go v0.36.
 */
int kev_plugin_credential_parse(struct kev_str text, const char *api_version,
	struct kev_plugin_credential *out, struct kev_error *error) KEV_MUST_USE;

#endif
