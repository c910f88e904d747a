#include "kevfs/tree/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/member_index.h"

/* Up to so many members are scanned: their names cost less than an index. */
#define SCAN_MAX 8

/* Gaps that are not worth a compaction. */
#define GAPS_MIN 2

/* Slots that the index can tell: 16 million. */
#define COUNT_MAX KEV_MEMBER_INDEX_NOWHERE

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

/* ---- the index ---- */

/* Two thirds full; seven eighths at most. */
static uint32_t index_room_for(uint32_t count)
{
	return count + count / 2 + SCAN_MAX;
}

static bool index_is_full(const struct kev_members *members)
{
	return members->count + 1 > members->index_room - members->index_room / 8;
}

/* Move the index to another size. */
static int index_resize(struct kev_members *members, uint32_t room)
{
	struct kev_member_key *index = kev_member_index_create(room);

	if (!index)
		return -ENOMEM;
	for (uint32_t i = 0; i < members->index_room; i++) {
		if (members->index[i].slot != KEV_MEMBER_INDEX_NOWHERE)
			kev_member_index_insert(index, room, members->index[i].hash, members->index[i].slot);
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
	struct kev_member_key *index = kev_member_index_create(room);

	if (!index)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < members->used; slot++) {
		const void *item = kev_members_item(members, slot);
		struct kev_str name;

		if (!item)
			continue;
		if (naming->name(item, naming->scratch, &name)) {
			free(index);
			return -ENOMEM;
		}
		kev_member_index_insert(index, room, kev_members_hash(naming->key, name), slot);
	}
	members->index = index;
	members->index_room = room;
	return 0;
}

/* ---- the slots, and their cookies ---- */

/* The lower halves of the cookies: none is four billion behind the next. */
static uint32_t *cookies_of(const struct kev_members *members)
{
	return (uint32_t *)(members->slots + members->room);
}

static size_t slots_size(const struct kev_members *members, uint32_t room)
{
	return room * (sizeof(uintptr_t) + (members->sparse ? sizeof(uint32_t) : 0));
}

/* How many cookies have been used since the slot's, that one among them. */
static uint32_t age_of(const struct kev_members *members, uint32_t slot)
{
	return members->sparse ? (uint32_t)members->next - cookies_of(members)[slot] : members->used - slot;
}

uint64_t kev_members_cookie(const struct kev_members *members, uint32_t slot)
{
	return (KEV_MEMBERS_COOKIE_FIRST + members->next - age_of(members, slot)) & INT64_MAX;
}

static int resize_slots(struct kev_members *members, uint32_t room)
{
	uint32_t before = members->room, least = room < before ? room : before;
	uintptr_t *slots = members->slots;

	/* The cookies move before the block becomes smaller, or after it became larger. */
	if (members->sparse && room < before)
		memmove(slots + room, slots + before, least * sizeof(uint32_t));
	slots = realloc(slots, slots_size(members, room));
	if (slots) {
		members->slots = slots;
		members->room = room;
	}
	if (members->sparse && room < before && !slots)
		memmove(members->slots + before, members->slots + room, least * sizeof(uint32_t));
	if (members->sparse && room > before && slots)
		memmove(slots + room, slots + before, least * sizeof(uint32_t));
	return slots ? 0 : -ENOMEM;
}

/* Tell the index where the slots are now: moved[old] is the new one. Then make it smaller if that pays. */
static void index_follow(struct kev_members *members, const uint32_t *moved)
{
	if (members->count <= SCAN_MAX / 2) {
		free(members->index);
		members->index = NULL;
		members->index_room = 0;
		return;
	}
	for (uint32_t at = 0; at < members->index_room; at++) {
		if (members->index[at].slot != KEV_MEMBER_INDEX_NOWHERE)
			members->index[at].slot = moved[members->index[at].slot];
	}
	/* Without the memory for a smaller one the large one does. */
	if (index_room_for(members->count) < members->index_room / 2)
		(void)index_resize(members, index_room_for(members->count));
}

/* Have all gone that came before the others? Then the slots will say what the cookies are. */
static bool is_dense(const struct kev_members *members)
{
	uint32_t slot = kev_members_after(members, 0);

	return slot != KEV_MEMBERS_NONE && age_of(members, slot) == members->count;
}

/* Each slot is to say its cookie. */
static int make_sparse(struct kev_members *members)
{
	struct kev_members old = *members;

	members->sparse = 1;
	if (resize_slots(members, old.room)) {
		members->sparse = 0;
		return -ENOMEM;
	}
	old.slots = members->slots;
	for (uint32_t slot = 0; slot < old.used; slot++)
		cookies_of(members)[slot] = (uint32_t)old.next - age_of(&old, slot);
	return 0;
}

/* Move the slots together, in their order. */
static void move_slots(struct kev_members *members, uint32_t *moved)
{
	uint32_t *cookies = members->sparse ? cookies_of(members) : NULL, to = 0;

	for (uint32_t from = 0; from < members->used; from++) {
		if (!members->slots[from])
			continue;
		if (moved)
			moved[from] = to;
		if (cookies)
			cookies[to] = cookies[from];
		members->slots[to++] = members->slots[from];
	}
	members->used = to;
	if (moved)
		index_follow(members, moved);
}

/* Where there is no memory to do it, the gaps stay until the next time. @return 0 or -ENOMEM */
static int compact(struct kev_members *members)
{
	bool dense = is_dense(members);
	uint32_t *moved = NULL, room;

	if (members->index && !(moved = malloc((size_t)members->used * sizeof(*moved))))
		return -ENOMEM;
	if (!dense && !members->sparse && make_sparse(members)) {
		free(moved);
		return -ENOMEM;
	}
	move_slots(members, moved);
	free(moved);
	room = members->room > members->used + members->used / 4 + 2 ? members->used + 1 : members->room;
	/* Also what stood behind the slots is not needed any more. */
	if (dense && members->sparse) {
		members->sparse = 0;
		(void)resize_slots(members, room);
	} else if (room < members->room) {
		(void)resize_slots(members, room);
	}
	return 0;
}

/* The oldest of all has stayed for so long that the lower half of a cookie would not tell: all are new. */
static int renew_cookies(struct kev_members *members)
{
	int r = compact(members);

	if (!r && age_of(members, 0) == UINT32_MAX) {
		members->next += members->count;
		members->sparse = 0;
	}
	return r;
}

int kev_members_reserve(struct kev_members *members, const struct kev_naming *naming)
{
	if (members->used >= COUNT_MAX)
		return -ENOMEM;
	if (members->sparse && age_of(members, 0) == UINT32_MAX && renew_cookies(members))
		return -ENOMEM;
	if (members->used == members->room) {
		/* Small steps: a large block is moved by its page tables, not by copying. The first are
		 * such that malloc wastes nothing. */
		uint32_t room = members->room ? members->room + members->room / 8 + 2 : 3;

		if (resize_slots(members, room))
			return -ENOMEM;
	}
	if (members->index)
		return index_is_full(members) ? index_resize(members, index_room_for(members->count + 1)) : 0;
	return members->count < SCAN_MAX ? 0 : index_create(members, naming);
}

uint32_t kev_members_add(struct kev_members *members, uint32_t hash, void *item)
{
	uint32_t slot = members->used++;

	members->slots[slot] = (uintptr_t)item;
	if (members->sparse)
		cookies_of(members)[slot] = (uint32_t)members->next;
	members->next++;
	members->count++;
	if (members->index)
		kev_member_index_insert(members->index, members->index_room, hash, slot);
	return slot;
}

void kev_members_replace(struct kev_members *members, uint32_t slot, void *item)
{
	members->slots[slot] = (uintptr_t)item | (members->slots[slot] & 1);
}

void kev_members_mark(struct kev_members *members, uint32_t slot, bool marked)
{
	members->slots[slot] = (members->slots[slot] & ~(uintptr_t)1) | marked;
}

bool kev_members_is_marked(const struct kev_members *members, uint32_t slot)
{
	return members->slots[slot] & 1;
}

void kev_members_remove(struct kev_members *members, uint32_t hash, uint32_t slot)
{
	uint64_t next = members->next;

	if (members->index)
		kev_member_index_erase(members->index, members->index_room, hash, slot);
	members->slots[slot] = 0;
	members->count--;
	if (members->count == 0) {
		kev_members_fini(members);
		members->next = next;
		return;
	}
	if (members->used - members->count > members->count / 4 + GAPS_MIN)
		(void)compact(members);
}

/* ---- looking ---- */

static int is_called(const void *item, const struct kev_naming *naming, struct kev_str name, bool *same)
{
	struct kev_str other;
	int r = naming->name(item, naming->scratch, &other);

	if (!r)
		*same = kev_str_eq(name, other);
	return r;
}

static int scan(const struct kev_members *members, const struct kev_naming *naming, struct kev_str name,
	uint32_t *slot)
{
	for (uint32_t at = 0; at < members->used; at++) {
		const void *item = kev_members_item(members, at);
		bool same = false;

		if (item && is_called(item, naming, name, &same))
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
	uint32_t room = members->index_room;

	if (!members->index)
		return scan(members, naming, name, slot);
	for (uint32_t at = kev_member_index_home(room, hash);
		members->index[at].slot != KEV_MEMBER_INDEX_NOWHERE; at = kev_member_index_behind(room, at)) {
		const struct kev_member_key *key = &members->index[at];
		bool same = false;

		if (key->hash != kev_member_index_hash(hash))
			continue;
		if (is_called(kev_members_item(members, key->slot), naming, name, &same))
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
	uint32_t room = members->index_room;

	if (!members->index) {
		for (uint32_t slot = 0; slot < members->used; slot++) {
			if (kev_members_item(members, slot) == item)
				return slot;
		}
		return KEV_MEMBERS_NONE;
	}
	for (uint32_t at = kev_member_index_home(room, hash);
		members->index[at].slot != KEV_MEMBER_INDEX_NOWHERE; at = kev_member_index_behind(room, at)) {
		if (kev_members_item(members, members->index[at].slot) == item)
			return members->index[at].slot;
	}
	return KEV_MEMBERS_NONE;
}

static uint32_t skip_gaps(const struct kev_members *members, uint32_t slot)
{
	while (slot < members->used && !members->slots[slot])
		slot++;
	return slot < members->used ? slot : KEV_MEMBERS_NONE;
}

uint32_t kev_members_after(const struct kev_members *members, uint64_t cookie)
{
	uint32_t low = 0, high = members->used;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (kev_members_cookie(members, middle) > cookie)
			high = middle;
		else
			low = middle + 1;
	}
	return skip_gaps(members, low);
}

void *kev_members_by_cookie(const struct kev_members *members, uint64_t cookie)
{
	uint32_t slot = cookie ? kev_members_after(members, cookie - 1) : KEV_MEMBERS_NONE;

	if (slot == KEV_MEMBERS_NONE || kev_members_cookie(members, slot) != cookie)
		return NULL;
	return kev_members_item(members, slot);
}

uint32_t kev_members_next(const struct kev_members *members, uint32_t slot)
{
	return skip_gaps(members, slot + 1);
}

size_t kev_members_memory(const struct kev_members *members)
{
	return slots_size(members, members->room) + (size_t)members->index_room * sizeof(*members->index);
}
