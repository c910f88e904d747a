#include "kevfs/tree/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Up to so many members are scanned: their names cost less than an index. */
#define SCAN_MAX 8

/* Gaps that are not worth a compaction. */
#define GAPS_MIN 2

/* So that no sum of slots or of the index overflows; 16 GB of slots come first. */
#define COUNT_MAX (1U << 30)

/* slot is KEV_MEMBERS_NONE where the entry is free. The hash stands here so that neither a probe nor a move
 * of the index touches a member. */
struct kev_members_key {
	uint32_t hash, slot;
};

void kev_members_init(struct kev_members *members)
{
	*members = (struct kev_members){0};
}

void kev_members_fini(struct kev_members *members)
{
	free(members->slots);
	free(members->index);
	kev_members_init(members);
}

uint32_t kev_members_hash(const struct kev_hash_key *key, struct kev_str name)
{
	return (uint32_t)kev_hash_sip13(key, name.data, name.len);
}

static struct kev_members_key *index_alloc(uint32_t room)
{
	/* 0: doubled beyond 32 bits. */
	struct kev_members_key *index = room ? malloc((size_t)room * sizeof(*index)) : NULL;

	if (index)
		memset(index, 0xff, (size_t)room * sizeof(*index));
	return index;
}

static void index_insert(struct kev_members_key *index, uint32_t room, struct kev_members_key key)
{
	uint32_t at = key.hash & (room - 1);

	while (index[at].slot != KEV_MEMBERS_NONE)
		at = (at + 1) & (room - 1);
	index[at] = key;
}

/* Where in the index the slot stands. */
static uint32_t index_position(const struct kev_members *members, uint32_t hash, uint32_t slot)
{
	uint32_t at = hash & (members->index_room - 1);

	while (members->index[at].slot != slot)
		at = (at + 1) & (members->index_room - 1);
	return at;
}

/* Free an entry and move those behind it that it had displaced: no tombstones, no rebuilds. */
static void index_erase(struct kev_members *members, uint32_t hash, uint32_t slot)
{
	struct kev_members_key *index = members->index;
	uint32_t mask = members->index_room - 1, hole = index_position(members, hash, slot), at = hole;

	for (;;) {
		at = (at + 1) & mask;
		if (index[at].slot == KEV_MEMBERS_NONE)
			break;
		if (((at - index[at].hash) & mask) < ((at - hole) & mask))
			continue;
		index[hole] = index[at];
		hole = at;
	}
	index[hole].slot = KEV_MEMBERS_NONE;
}

/* Seven eighths full at most. */
static uint32_t index_room_for(uint32_t count)
{
	uint32_t room = 2 * SCAN_MAX;

	while (room - room / 8 < count)
		room *= 2;
	return room;
}

/* Move the index to another size. */
static int index_resize(struct kev_members *members, uint32_t room)
{
	struct kev_members_key *index = index_alloc(room);

	if (!index)
		return -ENOMEM;
	for (uint32_t i = 0; i < members->index_room; i++) {
		if (members->index[i].slot != KEV_MEMBERS_NONE)
			index_insert(index, room, members->index[i]);
	}
	free(members->index);
	members->index = index;
	members->index_room = room;
	return 0;
}

/* The first index: the only one that needs the members' names. */
static int index_create(struct kev_members *members, const struct kev_naming *naming)
{
	uint32_t room = index_room_for(members->count + 1);
	struct kev_members_key *index = index_alloc(room);

	if (!index)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < members->used; slot++) {
		struct kev_str name;

		if (!members->slots[slot].item)
			continue;
		if (naming->name(members->slots[slot].item, naming->scratch, &name)) {
			free(index);
			return -ENOMEM;
		}
		index_insert(
			index, room, (struct kev_members_key){kev_members_hash(naming->key, name), slot});
	}
	members->index = index;
	members->index_room = room;
	return 0;
}

static int resize_slots(struct kev_members *members, uint32_t room)
{
	struct kev_member *slots = realloc(members->slots, (size_t)room * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	members->slots = slots;
	members->room = room;
	return 0;
}

int kev_members_reserve(struct kev_members *members, const struct kev_naming *naming)
{
	if (members->used >= COUNT_MAX)
		return -ENOMEM;
	if (members->used == members->room) {
		/* Small steps: a large block is moved by its page tables, not by copying. */
		uint32_t room = members->room + members->room / 8 + 2;

		if (resize_slots(members, room))
			return -ENOMEM;
	}
	if (members->index)
		return members->count + 1 <= members->index_room - members->index_room / 8
			       ? 0
			       : index_resize(members, members->index_room * 2);
	return members->count < SCAN_MAX ? 0 : index_create(members, naming);
}

uint32_t kev_members_add(struct kev_members *members, uint32_t hash, void *item)
{
	uint32_t slot = members->used++;

	members->slots[slot] = (struct kev_member){
		.item = item, .cookie = (KEV_MEMBERS_COOKIE_FIRST + members->next++) & INT64_MAX};
	members->count++;
	if (members->index)
		index_insert(members->index, members->index_room, (struct kev_members_key){hash, slot});
	return slot;
}

static int is_called(
	const struct kev_member *member, const struct kev_naming *naming, struct kev_str name, bool *same)
{
	struct kev_str other;
	int r = naming->name(member->item, naming->scratch, &other);

	if (!r)
		*same = kev_str_eq(name, other);
	return r;
}

static int scan(const struct kev_members *members, const struct kev_naming *naming, struct kev_str name,
	uint32_t *slot)
{
	for (uint32_t at = 0; at < members->used; at++) {
		bool same = false;

		if (members->slots[at].item && is_called(&members->slots[at], naming, name, &same))
			return -ENOMEM;
		if (same) {
			*slot = at;
			return 0;
		}
	}
	return -ENOENT;
}

int kev_members_find(const struct kev_members *members, const struct kev_naming *naming, struct kev_str name,
	uint32_t hash, uint32_t *slot)
{
	uint32_t mask = members->index_room - 1;

	if (!members->index)
		return scan(members, naming, name, slot);
	for (uint32_t at = hash & mask; members->index[at].slot != KEV_MEMBERS_NONE; at = (at + 1) & mask) {
		const struct kev_members_key *key = &members->index[at];
		bool same = false;

		if (key->hash != hash)
			continue;
		if (is_called(&members->slots[key->slot], naming, name, &same))
			return -ENOMEM;
		if (same) {
			*slot = key->slot;
			return 0;
		}
	}
	return -ENOENT;
}

uint32_t kev_members_slot(const struct kev_members *members, uint32_t hash, const void *item)
{
	uint32_t mask = members->index_room - 1;

	if (!members->index) {
		for (uint32_t slot = 0; slot < members->used; slot++) {
			if (members->slots[slot].item == item)
				return slot;
		}
		return KEV_MEMBERS_NONE;
	}
	for (uint32_t at = hash & mask; members->index[at].slot != KEV_MEMBERS_NONE; at = (at + 1) & mask) {
		if (members->slots[members->index[at].slot].item == item)
			return members->index[at].slot;
	}
	return KEV_MEMBERS_NONE;
}

void kev_members_replace(struct kev_members *members, uint32_t slot, void *item)
{
	members->slots[slot].item = item;
}

/* Tell the index where the slots are now: moved[old] is the new one. Then make it smaller if that pays. */
static void index_follow(struct kev_members *members, const uint32_t *moved)
{
	uint32_t room = index_room_for(members->count + 1);

	if (members->count <= SCAN_MAX / 2) {
		free(members->index);
		members->index = NULL;
		members->index_room = 0;
		return;
	}
	for (uint32_t at = 0; at < members->index_room; at++) {
		if (members->index[at].slot != KEV_MEMBERS_NONE)
			members->index[at].slot = moved[members->index[at].slot];
	}
	/* Without the memory for a smaller one the large one does. */
	if (room <= members->index_room / 4)
		(void)index_resize(members, room * 2);
}

/* Move the slots together. Where there is no memory to do it, the gaps stay until the next time. */
static void compact(struct kev_members *members)
{
	uint32_t *moved = NULL, to = 0;

	if (members->index && !(moved = malloc((size_t)members->used * sizeof(*moved))))
		return;
	for (uint32_t from = 0; from < members->used; from++) {
		if (!members->slots[from].item)
			continue;
		if (moved)
			moved[from] = to;
		members->slots[to++] = members->slots[from];
	}
	members->used = to;
	if (moved)
		index_follow(members, moved);
	free(moved);
	if (members->room > to + to / 4 + 2)
		(void)resize_slots(members, to + 1);
}

void kev_members_remove(struct kev_members *members, uint32_t hash, uint32_t slot)
{
	uint64_t next = members->next;

	if (members->index)
		index_erase(members, hash, slot);
	members->slots[slot].item = NULL;
	members->count--;
	if (members->count == 0) {
		kev_members_fini(members);
		members->next = next;
		return;
	}
	if (members->used - members->count > members->count / 4 + GAPS_MIN)
		compact(members);
}

static uint32_t skip_gaps(const struct kev_members *members, uint32_t slot)
{
	while (slot < members->used && !members->slots[slot].item)
		slot++;
	return slot < members->used ? slot : KEV_MEMBERS_NONE;
}

uint32_t kev_members_after(const struct kev_members *members, uint64_t cookie)
{
	uint32_t low = 0, high = members->used;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (members->slots[middle].cookie > cookie)
			high = middle;
		else
			low = middle + 1;
	}
	return skip_gaps(members, low);
}

void *kev_members_by_cookie(const struct kev_members *members, uint64_t cookie)
{
	uint32_t slot = cookie ? kev_members_after(members, cookie - 1) : KEV_MEMBERS_NONE;

	if (slot == KEV_MEMBERS_NONE || kev_members_at(members, slot)->cookie != cookie)
		return NULL;
	return kev_members_at(members, slot)->item;
}

uint32_t kev_members_next(const struct kev_members *members, uint32_t slot)
{
	return skip_gaps(members, slot + 1);
}

size_t kev_members_memory(const struct kev_members *members)
{
	return (size_t)members->room * sizeof(*members->slots) +
	       (size_t)members->index_room * sizeof(*members->index);
}
