#ifndef KEVFS_TREE_MEMBER_INDEX_H
#define KEVFS_TREE_MEMBER_INDEX_H

#include <stdint.h>

/**
 * By which name which slot of a directory's members is found: a hash table of slots, with open addressing.
 * Homes are in the order of hashes, so it may have any size, and one that grows is read and written from one
 * end to the other. It must have a free entry, so that every probe ends. For members.c, which knows its size.
 *
 * The hash stands here, as far as it has room, so that neither a probe nor a move of the index touches a
 * member.
 */
struct kev_member_key {
	uint64_t hash : 24;
	uint64_t slot : 24;
} __attribute__((packed));

/** The slot of an entry that is free. */
#define KEV_MEMBER_INDEX_NOWHERE 0xffffffU

/** As much of a hash as an entry has. */
static inline uint32_t kev_member_index_hash(uint32_t hash)
{
	return hash & 0xffffff;
}

/** Where a probe begins, and how it goes on. */
static inline uint32_t kev_member_index_home(uint32_t room, uint32_t hash)
{
	return (uint32_t)((uint64_t)kev_member_index_hash(hash) * room >> 24);
}

static inline uint32_t kev_member_index_behind(uint32_t room, uint32_t at)
{
	return at + 1 == room ? 0 : at + 1;
}

/** @return new: free() it; NULL on ENOMEM */
struct kev_member_key *kev_member_index_create(uint32_t room);

void kev_member_index_insert(struct kev_member_key *index, uint32_t room, uint32_t hash, uint32_t slot);

/** Free the entry of a slot that is in it. */
void kev_member_index_erase(struct kev_member_key *index, uint32_t room, uint32_t hash, uint32_t slot);

#endif
