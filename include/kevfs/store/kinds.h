#ifndef KEVFS_STORE_KINDS_H
#define KEVFS_STORE_KINDS_H

#include <stdbool.h>
#include <stddef.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/str.h"

/**
 * Which resource (plural) a kind is, as API discovery tells. Immutable once it is published
 * (kev_store_set_kinds), shared by reference counts.
 */
struct kev_kinds;

/** @return new and empty, or NULL on ENOMEM */
struct kev_kinds *kev_kinds_create(void);
struct kev_kinds *kev_kinds_ref(struct kev_kinds *kinds);
void kev_kinds_unref(struct kev_kinds *kinds);

/**
 * Add a kind before publishing: copies the strings. The first of duplicates (group, kind) stays: discovery
 * lists a group's preferred version first.
 * @param group  "" for core
 * @return 0, -EINVAL (plural is no DNS label, kind is empty, kind or group over 253 bytes), -ENOSPC (more
 * than KEV_KINDS_MAX) or -ENOMEM
 */
int kev_kinds_add(struct kev_kinds *kinds, struct kev_str group, struct kev_str kind, struct kev_str plural);

#define KEV_KINDS_MAX 100000

/** The kinds that kube-apiserver itself ships, built in: for a dump, and where discovery is forbidden.
 * @return new, or NULL on ENOMEM */
struct kev_kinds *kev_kinds_create_builtin(void);

/** Is group core ("") or one that kube-apiserver ships? Such a group's resources stand bare. */
bool kev_kinds_group_is_bare(struct kev_str group);

/** The group of an apiVersion: what stands before its last '/', "" without one. */
struct kev_str kev_kinds_group_of(struct kev_str api_version);

/**
 * Find the resource of an involvedObject. An empty apiVersion means core, then the groups that kube-apiserver
 * ships, then a match that is unique among the others.
 * @param group   set to the group it was found in; borrowed from kinds
 * @param plural  likewise
 * @return true where discovery knows the kind; kind and group match exactly. The outputs are untouched where
 * not.
 */
bool kev_kinds_find(const struct kev_kinds *kinds, struct kev_str api_version, struct kev_str kind,
	struct kev_str *group, struct kev_str *plural);

/** Called for each kind. Non-zero ends the walk with that value. */
typedef int kev_kinds_fn(void *context, struct kev_str group, struct kev_str kind, struct kev_str plural);

/** Go through all kinds, in no order. @return 0 or what the callback returned */
int kev_kinds_walk(const struct kev_kinds *kinds, kev_kinds_fn *visit, void *context);

/** How many kinds it holds. */
size_t kev_kinds_count(const struct kev_kinds *kinds);

#endif
