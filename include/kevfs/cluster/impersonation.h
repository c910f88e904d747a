#ifndef KEVFS_CLUSTER_IMPERSONATION_H
#define KEVFS_CLUSTER_IMPERSONATION_H

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/cluster/stanza.h"

/**
 * Make the headers that say whom we act as: "Impersonate-User: bob", -Uid, a -Group for each group, and an
 * -Extra-KEY for each value of a key, KEY percent-encoded and in small letters. They are no credential, so
 * they go with every request, over plain http too: without them we would be somebody else.
 * @param out  new, NULL-terminated; NULL where nobody is impersonated. Untouched on error. End with
 * kev_impersonation_free()
 * @return 0, -ENOMEM, or -EINVAL with the error set: a uid, groups or extra without a user; a value that
 * cannot stand in a header; too many of them
 * Source: client-go transport/round_trippers.go and tools/clientcmd/validation.go v0.36.
 */
int kev_impersonation_headers(const struct kev_stanza_file *file, const struct kev_stanza_user *user,
	char ***out /* new */, struct kev_error *error) KEV_MUST_USE;
void kev_impersonation_free(char **headers);

#endif
