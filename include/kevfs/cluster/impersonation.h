#ifndef KEVFS_CLUSTER_IMPERSONATION_H
#define KEVFS_CLUSTER_IMPERSONATION_H

#include <stdbool.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"
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

/** What to do where it is refused. */
#define KEV_IMPERSONATION_ADVICE "permit the verb impersonate, or remove as"

/**
 * Is a refusal (403) about whom we act as, rather than about what was asked for? Then nothing that they may
 * do helps: say so.
 * @param headers  as above; NULL: nobody is impersonated
 * @param message  the server's words, or a text that ends with them
 * @param out      untouched otherwise; may be NULL
 * Source: apiserver pkg/endpoints/filters/impersonation: "User "x" cannot impersonate resource "users" …",
 * and since Kubernetes 1.36 "cannot impersonate-on:user-info:list resource "events" …", too.
 */
bool kev_impersonation_is_refused(char *const *headers, struct kev_str message, struct kev_error *out);

#endif
