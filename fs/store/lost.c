#include "kevfs/store/lost.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/store/table.h"

#define ROOM_MIN 1024

/* A slot's mark in the table: how many records are of the event, and whether the store has it no more; then
 * what is kept of it is kept here only. */
#define REPLACED (1U << 31)

void kev_lost_fini(struct kev_lost *lost)
{
	for (size_t i = 0; i < lost->count; i++)
		kev_record_unref(lost->items[lost->first + i]);
	free(lost->items);
	kev_table_destroy(lost->events);
	*lost = (struct kev_lost){.max = lost->max};
}

static bool make_room(struct kev_lost *lost)
{
	size_t room = lost->room ? 2 * lost->room : ROOM_MIN;
	struct kev_record **items;

	if (lost->first + lost->count < lost->room)
		return true;
	/* What was dropped makes room, else the array would grow for ever. */
	if (lost->first > lost->count) {
		memmove(lost->items, lost->items + lost->first, lost->count * sizeof(struct kev_record *));
		lost->first = 0;
		return true;
	}
	items = realloc(lost->items, room * sizeof(struct kev_record *));
	if (!items)
		return false;
	lost->items = items;
	lost->room = room;
	return true;
}

static bool same_event(const void *entry, const void *key)
{
	return entry == key;
}

/* Addresses are chosen by nobody. */
static uint32_t hash_event(const struct kev_event *event)
{
	return (uint32_t)(((uintptr_t)event * 0x9e3779b97f4a7c15ULL) >> 32);
}

static struct kev_table_slot *find_event(const struct kev_lost *lost, const struct kev_event *event)
{
	return lost->events ? kev_table_find(lost->events, hash_event(event), event) : NULL;
}

/* A record more is of the event. @return false without memory */
static bool count_event(struct kev_lost *lost, struct kev_event *event)
{
	struct kev_table_slot *slot = find_event(lost, event);

	if (slot) {
		slot->mark++;
		return true;
	}
	if (kev_table_reserve(lost->events) != 0)
		return false;
	kev_table_insert(lost->events, hash_event(event), event, 1);
	return true;
}

/* Make the table of what there is. @return false without memory */
static bool count_events(struct kev_lost *lost)
{
	bool complete = lost->events || (lost->events = kev_table_create(same_event));

	for (size_t i = 0; i < lost->count && complete; i++)
		complete = count_event(lost, kev_record_occurrence(lost->items[lost->first + i]).event);
	return complete;
}

/* What a record takes besides its event. A revision is seen once; that it is gone, or back, may be told any
 * number of times. */
static uint64_t cost_of(const struct kev_occurrence *occurrence)
{
	return occurrence->kind == KEV_OCCURRENCE_SEEN ? 0 : sizeof(*occurrence);
}

static void drop_first(struct kev_lost *lost)
{
	/* The analyzer takes it for the one before, which was let go of. */
	struct kev_record *first = lost->items[lost->first]; /* NOLINT(clang-analyzer-unix.Malloc) */
	const struct kev_occurrence occurrence = kev_record_occurrence(first);
	struct kev_table_slot *slot = find_event(lost, occurrence.event);

	lost->replaced -= cost_of(&occurrence);
	if (slot && --slot->mark == REPLACED)
		lost->replaced -= kev_event_size(occurrence.event);
	if (slot && (slot->mark & ~REPLACED) == 0)
		kev_table_remove(lost->events, slot);
	kev_record_unref(first);
	lost->first++;
	lost->count--;
	lost->missing++;
}

static void keep_occurrence(struct kev_lost *lost, const struct kev_occurrence *occurrence)
{
	struct kev_record *record = make_room(lost) ? kev_record_create(occurrence) : NULL;

	if (!record || (lost->events && !count_event(lost, occurrence->event))) {
		if (record)
			kev_record_unref(record);
		lost->missing++;
		return;
	}
	lost->items[lost->first + lost->count++] = record;
	lost->replaced += cost_of(occurrence);
}

/* The store has let go of a revision. Without the memory to know how much is here only, all of it goes: there
 * is no memory for it, either. */
static void note_replaced(struct kev_lost *lost, const struct kev_event *event)
{
	struct kev_table_slot *slot;

	if (!lost->events && !count_events(lost)) {
		uint64_t missing = lost->missing + lost->count;

		kev_lost_fini(lost);
		lost->missing = missing;
		return;
	}
	slot = find_event(lost, event);
	/* What came before all that is kept costs nothing here. */
	if (!slot || slot->mark & REPLACED)
		return;
	slot->mark |= REPLACED;
	lost->replaced += kev_event_size(event);
}

void kev_lost_keep(
	struct kev_lost *lost, const struct kev_occurrence *occurrence, const struct kev_event *old)
{
	if (!lost->max)
		return;
	if (occurrence)
		keep_occurrence(lost, occurrence);
	if (old)
		note_replaced(lost, old);
	while (lost->replaced > lost->max && lost->count > 0)
		drop_first(lost);
}

size_t kev_lost_take(struct kev_lost *lost, struct kev_record ***out)
{
	size_t count = lost->count;

	if (lost->first)
		memmove(lost->items, lost->items + lost->first, count * sizeof(struct kev_record *));
	*out = lost->items;
	lost->items = NULL;
	lost->count = 0;
	kev_lost_fini(lost);
	return count;
}
