#ifndef KEVFS_TREE_MEMBERS_H
#define KEVFS_TREE_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/hash.h"
#include "kevfs/base/str.h"

/**
 * What a directory holds: pointers in the order in which they came, found by name in O(1), listed from any
 * point in O(log n), removed in O(1) amortised.
 *
 * Made for a million: a member costs a pointer and, from nine members on, an entry of the index: 8 bytes and
 * about 8. The names are nowhere here; whoever owns the members says what one is called, and its hash
 * (kev_members_hash of that name) with every call that needs it.
 *
 * The order of cookies is the order of slots, so a cookie is found by bisection. As long as all have stayed
 * that came, the slot says what the cookie is. A removed member leaves a gap; when a quarter are gaps the
 * slots move together, and unless those went that had come first, each says its cookie from then on, in four
 * bytes more. Cookies do not change by that: a listing that goes on from a cookie misses nothing and repeats
 * nothing. They count up for ever (63 bits) and are never used again. (Only a directory that has seen four
 * billion members come while one stayed gives all of them new ones: then a listing may repeat some.)
 */

/** Cookies below are free for what a directory lists besides its members. */
#define KEV_MEMBERS_COOKIE_FIRST 16

/** No such slot. */
#define KEV_MEMBERS_NONE UINT32_MAX

/** To be embedded; the fields are read by the functions here only. */
struct kev_members {
	uintptr_t *slots;             /**< items, and whether they are marked; behind them their cookies */
	struct kev_member_key *index; /**< NULL while a scan is as fast */
	uint64_t next;                /**< cookies used so far */
	uint32_t used;                /**< slots in use, gaps among them */
	uint32_t room : 31;           /**< slots allocated */
	uint32_t sparse : 1;          /**< there are cookies behind the slots */
	uint32_t count;               /**< members */
	uint32_t index_room;          /**< or 0 */
};

/** How the items of a directory are called. */
struct kev_naming {
	/** @param out  borrowed from the item or from scratch, until scratch is used again
	 *  @return 0 or -ENOMEM */
	int (*name)(const void *item, struct kev_buf *scratch, struct kev_str *out);
	const struct kev_hash_key *key;
	struct kev_buf *scratch;
};

/** All zero is an empty one, too. */
void kev_members_init(struct kev_members *members);
void kev_members_fini(struct kev_members *members);

uint32_t kev_members_hash(const struct kev_hash_key *key, struct kev_str name);

/** Make sure that one kev_members_add() cannot fail. @return 0 or -ENOMEM */
int kev_members_reserve(struct kev_members *members, const struct kev_naming *naming) KEV_MUST_USE;

/** Add an item, after kev_members_reserve(). @param hash  of its name. @return its slot */
uint32_t kev_members_add(struct kev_members *members, uint32_t hash, void *item);

/**
 * Find a member by its name. Slots are good until the next remove.
 * @return 0; -ENOENT; -ENOMEM (a name could not be made). *slot is set only on success
 */
int kev_members_find(const struct kev_members *members, const struct kev_naming *naming, struct kev_str name,
	uint32_t hash, uint32_t *slot) KEV_MUST_USE;

/** Find a member by itself. @param hash  of its name. @return its slot, or KEV_MEMBERS_NONE */
uint32_t kev_members_slot(const struct kev_members *members, uint32_t hash, const void *item);

/** Put another item of the same name in the place of one: the cookie stays, and the mark. */
void kev_members_replace(struct kev_members *members, uint32_t slot, void *item);

/** Remove. The memory of an empty one is freed. */
void kev_members_remove(struct kev_members *members, uint32_t hash, uint32_t slot);

/** The first member's slot behind a cookie (0: the very first), or KEV_MEMBERS_NONE. */
uint32_t kev_members_after(const struct kev_members *members, uint64_t cookie);

/** The member with that cookie, or NULL if it is no more (or 0, which nobody has). @return its item */
void *kev_members_by_cookie(const struct kev_members *members, uint64_t cookie);

/** The next member's slot, or KEV_MEMBERS_NONE. */
uint32_t kev_members_next(const struct kev_members *members, uint32_t slot);

/** A member's cookie. */
uint64_t kev_members_cookie(const struct kev_members *members, uint32_t slot);

/** What is in that slot, which may not exist; NULL: nothing. */
static inline void *kev_members_item(const struct kev_members *members, uint32_t slot)
{
	uintptr_t item = slot < members->used ? members->slots[slot] & ~(uintptr_t)1 : 0;

	return (void *)item; /* NOLINT(performance-no-int-to-ptr) */
}

/** A mark on each member, of use to the owner: a resync marks what it met. Items are at even addresses. */
void kev_members_mark(struct kev_members *members, uint32_t slot, bool marked);
bool kev_members_is_marked(const struct kev_members *members, uint32_t slot);

/** Bytes allocated. */
size_t kev_members_memory(const struct kev_members *members);

#endif
