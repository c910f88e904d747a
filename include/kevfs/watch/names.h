#ifndef KEVFS_WATCH_NAMES_H
#define KEVFS_WATCH_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "kevfs/store/store.h"

/** The namespaces that the store knows, by name, sorted: so that which of them are watched does not depend on
 * chance. */
struct kev_names {
	struct kev_name *list;
	size_t count, room;
};

struct kev_name {
	char *text; /**< owned */
	bool taken; /**< of use to the owner */
};

/** @param out  all zero; fini it in any case. @return 0 or -ENOMEM */
int kev_names_collect(struct kev_store *store, struct kev_names *out) KEV_MUST_USE;
/** Those that are permitted by name (kev_store_permit()), be there such namespaces or not; the same. */
int kev_names_collect_permitted(struct kev_store *store, struct kev_names *out) KEV_MUST_USE;
void kev_names_fini(struct kev_names *names);

/** @return borrowed, or NULL where there is none of that name */
struct kev_name *kev_names_find(const struct kev_names *names, const char *text);

/** Let the store know those namespaces, too, that its events are in, and one more. @return 0, -EINVAL (own is
 * no name) or -ENOMEM */
int kev_names_guess(struct kev_store *store, const char *own) KEV_MUST_USE;

#endif
