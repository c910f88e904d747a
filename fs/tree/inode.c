#include "kevfs/tree/inode.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/hash.h"

#define ROOM_MIN 64

struct kev_inode {
	uint64_t node, parent;
	uint64_t lookups : 47;
	uint64_t in_flight : 1;
	uint64_t read : 16; /* in this era; 0: never */
	struct kev_place place;
};

/* A hash table of borrowed records, found by one of their two keys; linear probing. */
struct table {
	struct kev_inode **slots;
	size_t room; /* a power of two */
	size_t count;
	uint64_t resizes; /* all of them have moved so often */
	uint64_t (*hash)(uint64_t salt, const struct kev_inode *inode);
};

struct kev_inodes {
	struct table by_node, by_place;
	uint64_t salt; /* odd */
	uint64_t next; /* the next node number */
	uint16_t era;  /* not 0 */
};

/* Neither numbers nor addresses are chosen by a stranger: a multiplication spreads them well enough. */
static uint64_t spread(uint64_t salt, uint64_t x)
{
	x *= salt;
	x ^= x >> 32;
	x *= 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 29;
}

static uint64_t hash_node(uint64_t salt, const struct kev_inode *inode)
{
	return spread(salt, inode->node);
}

static uint64_t hash_place(uint64_t salt, const struct kev_inode *inode)
{
	return spread(salt, (uintptr_t)inode->place.item + spread(salt, (uintptr_t)inode->place.role));
}

static void insert_slot(struct table *table, uint64_t salt, struct kev_inode *inode)
{
	size_t mask = table->room - 1, at = table->hash(salt, inode) & mask;

	while (table->slots[at])
		at = (at + 1) & mask;
	table->slots[at] = inode;
}

static int resize(struct table *table, uint64_t salt, size_t room)
{
	struct kev_inode **old = table->slots;
	size_t old_room = table->room;
	struct kev_inode **slots = calloc(room, sizeof(struct kev_inode *));

	if (!slots)
		return -ENOMEM;
	table->slots = slots;
	table->room = room;
	table->resizes++;
	for (size_t i = 0; i < old_room; i++) {
		if (old[i])
			insert_slot(table, salt, old[i]);
	}
	free(old);
	return 0;
}

static int reserve(struct table *table, uint64_t salt)
{
	if (table->count + 1 <= table->room - table->room / 4)
		return 0;
	return resize(table, salt, table->room ? 2 * table->room : ROOM_MIN);
}

static void add(struct table *table, uint64_t salt, struct kev_inode *inode)
{
	insert_slot(table, salt, inode);
	table->count++;
}

/* Free the record's slot and close the gap; give back what a smaller table does not need. */
static void erase(struct table *table, uint64_t salt, const struct kev_inode *inode)
{
	size_t mask = table->room - 1, hole = table->hash(salt, inode) & mask, at;

	while (table->slots[hole] != inode)
		hole = (hole + 1) & mask;
	for (at = (hole + 1) & mask; table->slots[at]; at = (at + 1) & mask) {
		size_t home = table->hash(salt, table->slots[at]) & mask;

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		table->slots[hole] = table->slots[at];
		hole = at;
	}
	table->slots[hole] = NULL;
	table->count--;
	if (table->room > ROOM_MIN && table->count < table->room / 8)
		(void)resize(table, salt, table->room / 2);
}

static bool same_node(const struct kev_inode *a, const struct kev_inode *b)
{
	return a->node == b->node;
}

static bool same_place(const struct kev_inode *a, const struct kev_inode *b)
{
	return kev_place_same(a->place, b->place);
}

static struct kev_inode *find(const struct table *table, uint64_t salt, const struct kev_inode *like,
	bool (*same)(const struct kev_inode *a, const struct kev_inode *b))
{
	size_t mask = table->room - 1;

	for (size_t at = table->hash(salt, like) & mask; table->slots[at]; at = (at + 1) & mask) {
		if (same(table->slots[at], like))
			return table->slots[at];
	}
	return NULL;
}

struct kev_inodes *kev_inodes_create(struct kev_place root)
{
	struct kev_inodes *inodes = calloc(1, sizeof(*inodes));
	uint64_t node;

	if (!inodes)
		return NULL;
	inodes->by_node.hash = hash_node;
	inodes->by_place.hash = hash_place;
	inodes->salt = kev_hash_random_key().k0 | 1;
	inodes->next = KEV_TREE_ROOT;
	inodes->era = 1;
	if (kev_inodes_take(inodes, root, KEV_TREE_ROOT, &node)) {
		kev_inodes_destroy(inodes);
		return NULL;
	}
	return inodes;
}

void kev_inodes_destroy(struct kev_inodes *inodes)
{
	if (!inodes)
		return;
	for (size_t i = 0; i < inodes->by_node.room; i++) {
		struct kev_inode *inode = inodes->by_node.slots[i];

		if (inode)
			inode->place.role->drop(inode->place.item);
		free(inode);
	}
	free(inodes->by_node.slots);
	free(inodes->by_place.slots);
	free(inodes);
}

struct kev_inode *kev_inodes_find(const struct kev_inodes *inodes, uint64_t node)
{
	const struct kev_inode like = {.node = node};

	return find(&inodes->by_node, inodes->salt, &like, same_node);
}

struct kev_inode *kev_inodes_find_place(const struct kev_inodes *inodes, struct kev_place place)
{
	const struct kev_inode like = {.place = place};

	return find(&inodes->by_place, inodes->salt, &like, same_place);
}

int kev_inodes_take(struct kev_inodes *inodes, struct kev_place place, uint64_t parent, uint64_t *node)
{
	struct kev_inode *inode;

	if (reserve(&inodes->by_node, inodes->salt) || reserve(&inodes->by_place, inodes->salt))
		return -ENOMEM;
	inode = kev_inodes_find_place(inodes, place);
	if (!inode) {
		inode = malloc(sizeof(*inode));
		if (!inode)
			return -ENOMEM;
		*inode = (struct kev_inode){.node = inodes->next++, .place = place};
		place.role->hold(place.item);
		add(&inodes->by_node, inodes->salt, inode);
		add(&inodes->by_place, inodes->salt, inode);
	}
	inode->lookups++;
	inode->in_flight = 1;
	inode->parent = parent;
	*node = inode->node;
	return 0;
}

void kev_inodes_forget(struct kev_inodes *inodes, uint64_t node, uint64_t count)
{
	struct kev_inode *inode = kev_inodes_find(inodes, node);

	if (!inode || node == KEV_TREE_ROOT)
		return;
	if (count < inode->lookups) {
		inode->lookups -= count;
		return;
	}
	erase(&inodes->by_node, inodes->salt, inode);
	erase(&inodes->by_place, inodes->salt, inode);
	inode->place.role->drop(inode->place.item);
	free(inode);
}

uint64_t kev_inode_node(const struct kev_inode *inode)
{
	return inode->node;
}

struct kev_place kev_inode_place(const struct kev_inode *inode)
{
	return inode->place;
}

uint64_t kev_inode_parent(const struct kev_inode *inode)
{
	return inode->parent;
}

bool kev_inode_is_read(const struct kev_inodes *inodes, const struct kev_inode *inode)
{
	return inode->read == inodes->era;
}

void kev_inode_set_read(const struct kev_inodes *inodes, struct kev_inode *inode)
{
	inode->read = inodes->era;
}

void kev_inodes_let_go(struct kev_inodes *inodes)
{
	inodes->era = inodes->era == UINT16_MAX ? 1 : inodes->era + 1;
}

bool kev_inode_in_flight(const struct kev_inode *inode)
{
	return inode->in_flight;
}

void kev_inode_landed(struct kev_inode *inode)
{
	inode->in_flight = 0;
}

const struct kev_inode *kev_inodes_next(const struct kev_inodes *inodes, struct kev_inodes_walk *walk)
{
	const struct table *table = &inodes->by_node;

	if (walk->resizes != table->resizes)
		*walk = (struct kev_inodes_walk){.resizes = table->resizes};
	while (walk->position < table->room) {
		const struct kev_inode *inode = table->slots[walk->position++];

		if (inode)
			return inode;
	}
	return NULL;
}

/*
 * A record moves only to close a gap, and never to before its home. So before an empty slot nothing moves
 * that stands behind it: its home is there, too; and so it stays if that slot is filled.
 */
bool kev_inodes_may_pause(const struct kev_inodes *inodes, const struct kev_inodes_walk *walk)
{
	const struct table *table = &inodes->by_node;

	return walk->resizes != table->resizes || walk->position >= table->room ||
	       !table->slots[walk->position];
}

size_t kev_inodes_count(const struct kev_inodes *inodes)
{
	return inodes->by_node.count;
}
