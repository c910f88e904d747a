#include "kevfs/store/table.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Open addressing with linear probing. An entry's home is hash * size / 2^32, so sizes need not be powers of
 * two and can grow by a quarter: between two growths the table is 2/3 to 5/6 full. Removal moves later
 * entries back instead of leaving tombstones, so a table that lives for months under churn stays as fast as a
 * new one.
 */
#define SIZE_MIN 16U

/* Homes are computed from 32 bits. */
#define SIZE_LIMIT (UINT32_MAX / 4)

struct kev_table {
	struct kev_table_slot *slots;
	size_t size;  /* slots allocated; 0 until the first reserve */
	size_t count; /* slots in use; always less than size, so that every probe ends */
	kev_table_match_fn *match;
};

struct kev_table *kev_table_create(kev_table_match_fn *match)
{
	struct kev_table *table = calloc(1, sizeof(*table));

	if (table)
		table->match = match;
	return table;
}

void kev_table_destroy(struct kev_table *table)
{
	if (!table)
		return;
	free(table->slots);
	free(table);
}

size_t kev_table_count(const struct kev_table *table)
{
	return table->count;
}

uint32_t kev_table_hash(const struct kev_hash_key *random, struct kev_str first, struct kev_str second)
{
	/* The first string's hash becomes part of the second's key: ("a", "bc") and ("ab", "c") have nothing
	 * in common. */
	struct kev_hash_key key = {random->k0 ^ kev_hash_sip13(random, first.data, first.len), random->k1};

	return (uint32_t)(kev_hash_sip13(&key, second.data, second.len) >> 32);
}

static size_t home_of(const struct kev_table *table, uint32_t hash)
{
	return (size_t)((uint64_t)hash * table->size >> 32);
}

static size_t behind(const struct kev_table *table, size_t place)
{
	return place + 1 == table->size ? 0 : place + 1;
}

struct kev_table_slot *kev_table_find(const struct kev_table *table, uint32_t hash, const void *key)
{
	if (table->count == 0)
		return NULL;
	for (size_t i = home_of(table, hash); table->slots[i].entry; i = behind(table, i)) {
		if (table->slots[i].hash == hash && table->match(table->slots[i].entry, key))
			return &table->slots[i];
	}
	return NULL;
}

static int resize(struct kev_table *table, size_t size)
{
	struct kev_table old = *table;
	struct kev_table_slot *slots;

	if (size > SIZE_LIMIT)
		return -ENOMEM;
	slots = calloc(size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	table->slots = slots;
	table->size = size;
	table->count = 0;
	for (size_t i = 0; i < old.size; i++) {
		if (old.slots[i].entry)
			kev_table_insert(table, old.slots[i].hash, old.slots[i].entry, old.slots[i].mark);
	}
	free(old.slots);
	return 0;
}

int kev_table_reserve(struct kev_table *table)
{
	if (table->count + 1 <= table->size - table->size / 6)
		return 0;
	return resize(table, table->size ? table->size + table->size / 4 : SIZE_MIN);
}

void kev_table_insert(struct kev_table *table, uint32_t hash, void *entry, uint32_t mark)
{
	size_t i = home_of(table, hash);

	while (table->slots[i].entry)
		i = behind(table, i);
	table->slots[i] = (struct kev_table_slot){entry, hash, mark};
	table->count++;
}

/* Does the place lie in the ring behind from, up to and including to? */
static bool lies_between(size_t from, size_t place, size_t to)
{
	return from <= to ? from < place && place <= to : from < place || place <= to;
}

void kev_table_remove(struct kev_table *table, struct kev_table_slot *slot)
{
	size_t hole = (size_t)(slot - table->slots);

	/* Whatever would not be found any more, as its home lies at or before the hole, moves into it. */
	for (size_t i = behind(table, hole); table->slots[i].entry; i = behind(table, i)) {
		if (lies_between(hole, home_of(table, table->slots[i].hash), i))
			continue;
		table->slots[hole] = table->slots[i];
		hole = i;
	}
	table->slots[hole] = (struct kev_table_slot){NULL, 0, 0};
	table->count--;
}

void kev_table_shrink(struct kev_table *table)
{
	size_t size = table->count * 2;

	if (size < SIZE_MIN)
		size = SIZE_MIN;
	/* Without memory for the smaller table the larger one serves as well. */
	if (table->count < table->size / 5 && size < table->size)
		(void)resize(table, size);
}

struct kev_table_slot *kev_table_next(const struct kev_table *table, size_t *position)
{
	while (*position < table->size) {
		struct kev_table_slot *slot = &table->slots[(*position)++];

		if (slot->entry)
			return slot;
	}
	return NULL;
}
