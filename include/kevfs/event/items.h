#ifndef KEVFS_EVENT_ITEMS_H
#define KEVFS_EVENT_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"

/**
 * Splits the body of a list response while it arrives: fed with any chunks, it calls back with the raw text
 * of each item as soon as that is whole, so that parsing overlaps with receiving and no page is ever held in
 * memory.
 *
 *   {"kind":"EventList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[{...},{...}]}
 *
 * Members in any order, compact or pretty-printed; "items": null is an empty list. An item is only split off
 * here (balanced brackets outside of strings); kev_json_scan() validates it. The other members are validated
 * here.
 */
struct kev_items;

/** Items over this (client-go: the longest object of a watch) are left out and counted. */
#define KEV_ITEMS_ITEM_MAX (16U << 20)

/** Members other than "items" may be this long. */
#define KEV_ITEMS_MEMBER_MAX (1U << 20)

/**
 * Called with each item, in order.
 * @param item  an object's raw text from '{' to '}', borrowed until the callback returns
 * @return 0 to go on; anything else ends the list: kev_items_feed() returns it
 */
typedef int kev_items_fn(void *context, struct kev_str item);

/** @return new, or NULL on ENOMEM */
struct kev_items *kev_items_create(kev_items_fn *item, void *context /* borrowed */);
void kev_items_destroy(struct kev_items *items);
static inline void kev_items_destroyp(struct kev_items **items)
{
	kev_items_destroy(*items);
}

/**
 * Take the next bytes of the body.
 * @return 0; -EINVAL (no list, or broken: error says at which byte), -E2BIG (a member over the cap), -ENOMEM,
 * or what the callback returned (error is then untouched). A failure is final: every further call returns it
 * again.
 */
int kev_items_feed(struct kev_items *items, struct kev_str text, struct kev_error *error) KEV_MUST_USE;

/**
 * The body has ended.
 * @return 0; -EINVAL (broken off, or no member "items": error says at which byte); the failure of an earlier
 * kev_items_feed()
 */
int kev_items_finish(struct kev_items *items, struct kev_error *error) KEV_MUST_USE;

/* What stands beside the items; complete once kev_items_finish() has returned 0. Strings are borrowed until
 * the next call that is not an accessor. An absent string is empty. */

struct kev_str kev_items_kind(const struct kev_items *items);             /**< "EventList", "List" */
struct kev_str kev_items_resource_version(const struct kev_items *items); /**< metadata.resourceVersion */
struct kev_str kev_items_continue(const struct kev_items *items); /**< metadata.continue; empty: last page */
uint64_t kev_items_remaining(const struct kev_items *items); /**< metadata.remainingItemCount; absent: 0 */

/** Items given to the callback so far. */
size_t kev_items_count(const struct kev_items *items);

/** Items left out so far because they are over KEV_ITEMS_ITEM_MAX. */
size_t kev_items_oversized(const struct kev_items *items);

#endif
