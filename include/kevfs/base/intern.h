#ifndef KEVFS_BASE_INTERN_H
#define KEVFS_BASE_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/**
 * Shared strings. A cluster's Events say the same words over and over: here each stands once, is counted, and
 * is known by a number of four bytes. What goes together often can be a word as well: one that holds others,
 * by their numbers. Any thread may call anything; only kev_intern_take() and
 * kev_intern_drop() take the lock, once for many words.
 */
struct kev_intern;

/** No word. */
#define KEV_INTERN_NONE 0U

/** A word is of at most so many bytes, and holds at most so many others. */
#define KEV_INTERN_LEN_MAX ((1U << 26) - 1)
#define KEV_INTERN_HOLDS_MAX 63U

/** @return new: one reference; NULL on ENOMEM */
struct kev_intern *kev_intern_create(void);

/** Whoever holds words holds a reference, too. */
struct kev_intern *kev_intern_ref(struct kev_intern *intern);
void kev_intern_unref(struct kev_intern *intern);

/** A string that somebody would like to share. */
struct kev_intern_want {
	struct kev_str string;
	bool needed; /**< now; otherwise only if it was wanted before, not long ago: what is said once is not
			kept */
	uint8_t holds; /**< the string begins with the numbers (four bytes each) of so many words, which the
			  caller holds; a word that is made of it holds them too. KEV_INTERN_NONE may be among
			  them */
	uint32_t word; /**< out: counted once more; KEV_INTERN_NONE where it is not shared */
};

/**
 * Look up, or add, some strings.
 * @return 0, or -ENOMEM: what was needed does not fit, and nothing was taken
 */
int kev_intern_take(struct kev_intern *intern, struct kev_intern_want *wants, size_t count) KEV_MUST_USE;

/** Give words back; KEV_INTERN_NONE is none. */
void kev_intern_drop(struct kev_intern *intern, const uint32_t *words, size_t count);

/** What a word says: borrowed for as long as the caller holds it; "" of KEV_INTERN_NONE. */
struct kev_str kev_intern_get(const struct kev_intern *intern, uint32_t word);

/** How many words a word holds: kev_intern_want. */
size_t kev_intern_holds(const struct kev_intern *intern, uint32_t word);

/** How many words there are. */
size_t kev_intern_count(struct kev_intern *intern);

#endif
