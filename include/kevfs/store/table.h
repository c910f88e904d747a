#ifndef KEVFS_STORE_TABLE_H
#define KEVFS_STORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/hash.h"
#include "kevfs/base/str.h"

/**
 * A hash table of pointers whose keys stand inside what they point at: 19 to 24 bytes an entry, in one
 * allocation. (A uthash handle takes 56 bytes inside each entry and its buckets besides, which is more than a
 * pod's name.) Used by one thread at a time; the caller's lock protects it.
 */
struct kev_table;

/** One place of the table. Valid until the next insert, remove or shrink. */
struct kev_table_slot {
	void *entry;   /**< borrowed; NULL where the place is free (never in a slot that is given out) */
	uint32_t hash; /**< what the entry was inserted under */
	uint32_t mark; /**< the caller's own */
};

/** Is this the entry with that key? Called only where the hashes are equal. */
typedef bool kev_table_match_fn(const void *entry, const void *key);

/** @return new and empty, or NULL on ENOMEM */
struct kev_table *kev_table_create(kev_table_match_fn *match);

/** Frees the table, not the entries. */
void kev_table_destroy(struct kev_table *table);

size_t kev_table_count(const struct kev_table *table);

/**
 * The hash of a key of two strings. Whoever does not know the random key cannot choose strings that collide.
 */
uint32_t kev_table_hash(const struct kev_hash_key *random, struct kev_str first, struct kev_str second);

/** @param hash  kev_table_hash() of the key. @return borrowed, or NULL */
struct kev_table_slot *kev_table_find(const struct kev_table *table, uint32_t hash, const void *key);

/** Make room for one more entry. @return 0, or -ENOMEM with the table as it was */
int kev_table_reserve(struct kev_table *table) KEV_MUST_USE;

/** Add an entry that is not there yet. There must be room: kev_table_reserve() came before. */
void kev_table_insert(struct kev_table *table, uint32_t hash, void *entry, uint32_t mark);

/** Take an entry out. The table keeps its size; see kev_table_shrink(). */
void kev_table_remove(struct kev_table *table, struct kev_table_slot *slot);

/** Give memory back where the table has become far too large. */
void kev_table_shrink(struct kev_table *table);

/**
 * The next entry at or behind *position (begin with 0), which is set to the place behind it. To remove the
 * entry that was given, set *position back by one: another may have moved into its place. Nothing may be
 * inserted meanwhile, nor the table shrunk; an entry may then be given twice but none is left out.
 * @return borrowed, or NULL at the end
 */
struct kev_table_slot *kev_table_next(const struct kev_table *table, size_t *position);

#endif
