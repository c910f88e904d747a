#ifndef KEVFS_TREE_RESOURCE_NAME_H
#define KEVFS_TREE_RESOURCE_NAME_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"
#include "kevfs/store/kinds.h"

/**
 * The directory names of involvedObjects' kinds, remembered: what a kind is called is decided when it is
 * first met, by what discovery knows then, and stays while anything stands under that name, whatever
 * discovery learns later. A path never changes while it exists.
 *
 * Several kinds may share a name if they mean the same resource ("Event" in core and in events.k8s.io; an
 * apiVersion that is empty, and "v1"). A kind that discovery does not know never shares one with a resource
 * that it does:
 *
 * - whichever of the two comes second has a byte escaped (kev_path_append_kind, taken);
 * - a kind without a group that reads like a plural of Kubernetes' own (a DNS label with an 's' at its end:
 *   "pods") has it always, so that nobody can occupy "secrets" by being the first to name it.
 *
 * Under the tree's lock, like everything in the tree.
 */
struct kev_resource_names;
struct kev_resource_name;

/** Names that nothing stands under any more are still remembered, up to so many. */
#define KEV_RESOURCE_NAMES_UNUSED_MAX 4096

/** @return new, or NULL on ENOMEM */
struct kev_resource_names *kev_resource_names_create(void);
void kev_resource_names_destroy(struct kev_resource_names *names);

/**
 * The name of a kind, decided now if it is new.
 * @param out  borrowed: until it is used (kev_resource_names_use), only until the next call of this function
 * @return 0 or -ENOMEM
 */
int kev_resource_names_get(struct kev_resource_names *names, const struct kev_kinds *kinds,
	struct kev_str api_version, struct kev_str kind, struct kev_resource_name **out) KEV_MUST_USE;

/** One thing more, or less, stands under the name. */
void kev_resource_names_use(struct kev_resource_names *names, struct kev_resource_name *name);
void kev_resource_names_release(struct kev_resource_names *names, struct kev_resource_name *name);

/** The directory's name. */
struct kev_str kev_resource_name_str(const struct kev_resource_name *name);

/** How many are remembered. */
size_t kev_resource_names_count(const struct kev_resource_names *names);

#endif
