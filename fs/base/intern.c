#include "kevfs/base/intern.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/hash.h"

/*
 * A word is a number, and its entry is found through two arrays that never move, so that whoever holds a word
 * needs no lock to read it. Numbers that are free again are given out first. By its string a word is found in
 * a table of numbers: open addressing, as in store/table.
 */
#define CHUNK 4096U
#define CHUNKS 16384U /* 67 million words; the array is of memory that is not touched until it is used */

#define SLOTS_MIN 1024U

/* Hashes of what was wanted once, each where the next one of its kind overwrites it. */
#define SEEN 16384U

struct entry {
	uint32_t references;
	uint32_t holds : 6; /* words: its first bytes are their numbers */
	uint32_t len : 26;
	char bytes[];
};

static_assert(KEV_INTERN_HOLDS_MAX < 1U << 6 && KEV_INTERN_LEN_MAX < 1U << 26, "they fit");

/* The hash stands here, and homes are in the order of hashes: so a table that grows is read and written from
 * one end to the other, and no word is looked at. Others wait for the lock meanwhile. */
struct slot {
	uint32_t word; /* KEV_INTERN_NONE: empty */
	uint32_t hash;
};

/* What a number stands for. */
union place {
	struct entry *entry;
	uint32_t next_free;
};

struct kev_intern {
	_Atomic uint32_t references;
	struct kev_hash_key key;
	pthread_mutex_t lock; /* all below; but the place of a word whoever holds the word may read */
	union place *chunks[CHUNKS];
	uint32_t numbers;    /* given out so far: the next new one */
	uint32_t first_free; /* KEV_INTERN_NONE: none */
	struct slot *slots;
	size_t size, count;
	uint32_t seen[SEEN];
};

struct kev_intern *kev_intern_create(void)
{
	struct kev_intern *intern = calloc(1, sizeof(*intern));

	if (!intern)
		return NULL;
	intern->slots = calloc(SLOTS_MIN, sizeof(*intern->slots));
	if (!intern->slots) {
		free(intern);
		return NULL;
	}
	intern->size = SLOTS_MIN;
	intern->numbers = 1;
	intern->key = kev_hash_random_key();
	atomic_init(&intern->references, 1);
	pthread_mutex_init(&intern->lock, NULL);
	return intern;
}

struct kev_intern *kev_intern_ref(struct kev_intern *intern)
{
	atomic_fetch_add_explicit(&intern->references, 1, memory_order_relaxed);
	return intern;
}

/* All words were given back before the last reference was. */
void kev_intern_unref(struct kev_intern *intern)
{
	if (!intern || atomic_fetch_sub_explicit(&intern->references, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < CHUNKS && intern->chunks[i]; i++)
		free(intern->chunks[i]);
	pthread_mutex_destroy(&intern->lock);
	free(intern->slots);
	free(intern);
}

static union place *place_of(const struct kev_intern *intern, uint32_t word)
{
	return &intern->chunks[word / CHUNK][word % CHUNK];
}

static struct entry *entry_of(const struct kev_intern *intern, uint32_t word)
{
	return place_of(intern, word)->entry;
}

struct kev_str kev_intern_get(const struct kev_intern *intern, uint32_t word)
{
	const struct entry *entry;

	if (word == KEV_INTERN_NONE)
		return KEV_STR("");
	entry = entry_of(intern, word);
	return (struct kev_str){entry->bytes, entry->len};
}

size_t kev_intern_holds(const struct kev_intern *intern, uint32_t word)
{
	return word == KEV_INTERN_NONE ? 0 : entry_of(intern, word)->holds;
}

static uint32_t hash_of(const struct kev_intern *intern, struct kev_str s)
{
	return (uint32_t)(kev_hash_sip13(&intern->key, s.data, s.len) >> 32);
}

/* ---- the table, all under the lock ---- */

static size_t home_of(const struct kev_intern *intern, uint32_t hash)
{
	return (size_t)((uint64_t)hash * intern->size >> 32);
}

static size_t behind(const struct kev_intern *intern, size_t slot)
{
	return slot + 1 == intern->size ? 0 : slot + 1;
}

/* The slot of a string, or the empty one where it would be. Foreign text may look like the numbers of words,
 * but it does not hold them. */
static size_t find_slot(const struct kev_intern *intern, uint32_t hash, struct kev_str s, size_t holds)
{
	size_t slot = home_of(intern, hash);

	for (; intern->slots[slot].word != KEV_INTERN_NONE; slot = behind(intern, slot)) {
		uint32_t word = intern->slots[slot].word;

		if (intern->slots[slot].hash == hash && entry_of(intern, word)->holds == holds &&
			kev_str_eq(kev_intern_get(intern, word), s))
			break;
	}
	return slot;
}

static void put_slot(struct kev_intern *intern, struct slot what)
{
	size_t slot = home_of(intern, what.hash);

	while (intern->slots[slot].word != KEV_INTERN_NONE)
		slot = behind(intern, slot);
	intern->slots[slot] = what;
}

static int grow(struct kev_intern *intern)
{
	struct slot *old = intern->slots;
	size_t old_size = intern->size, size = old_size + old_size / 2;
	struct slot *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	intern->slots = slots;
	intern->size = size;
	for (size_t i = 0; i < old_size; i++) {
		if (old[i].word != KEV_INTERN_NONE)
			put_slot(intern, old[i]);
	}
	free(old);
	return 0;
}

/* Empty a slot: those behind it that would not be found any more move up. */
static void empty_slot(struct kev_intern *intern, size_t hole)
{
	for (size_t i = behind(intern, hole); intern->slots[i].word != KEV_INTERN_NONE;
		i = behind(intern, i)) {
		size_t home = home_of(intern, intern->slots[i].hash);
		size_t from_home = (i + intern->size - home) % intern->size;

		if (from_home >= (i + intern->size - hole) % intern->size) {
			intern->slots[hole] = intern->slots[i];
			hole = i;
		}
	}
	intern->slots[hole].word = KEV_INTERN_NONE;
}

/* ---- numbers ---- */

/* @return KEV_INTERN_NONE where there is none left, or no memory */
static uint32_t take_number(struct kev_intern *intern)
{
	uint32_t number = intern->first_free;

	if (number != KEV_INTERN_NONE) {
		intern->first_free = place_of(intern, number)->next_free;
		return number;
	}
	number = intern->numbers;
	if (number / CHUNK >= CHUNKS)
		return KEV_INTERN_NONE;
	if (!intern->chunks[number / CHUNK])
		intern->chunks[number / CHUNK] = calloc(CHUNK, sizeof(union place));
	if (!intern->chunks[number / CHUNK])
		return KEV_INTERN_NONE;
	intern->numbers++;
	return number;
}

static void give_number(struct kev_intern *intern, uint32_t number)
{
	place_of(intern, number)->next_free = intern->first_free;
	intern->first_free = number;
}

/* The i-th word that an entry holds. */
static uint32_t held_word(const struct entry *entry, size_t i)
{
	uint32_t word;

	memcpy(&word, entry->bytes + i * sizeof(word), sizeof(word));
	return word;
}

/* @return KEV_INTERN_NONE where there is no room for it */
static uint32_t add(struct kev_intern *intern, uint32_t hash, const struct kev_intern_want *want)
{
	struct kev_str s = want->string;
	struct entry *entry;
	uint32_t word;

	if (s.len > KEV_INTERN_LEN_MAX || (intern->count + 1 > intern->size / 4 * 3 && grow(intern)))
		return KEV_INTERN_NONE;
	entry = malloc(sizeof(*entry) + s.len);
	if (!entry)
		return KEV_INTERN_NONE;
	word = take_number(intern);
	if (word == KEV_INTERN_NONE) {
		free(entry);
		return word;
	}
	*entry =
		(struct entry){.references = 1, .holds = want->holds & 63, .len = s.len & KEV_INTERN_LEN_MAX};
	if (s.len)
		memcpy(entry->bytes, s.data, s.len);
	for (size_t i = 0; i < entry->holds; i++) {
		if (held_word(entry, i) != KEV_INTERN_NONE)
			entry_of(intern, held_word(entry, i))->references++;
	}
	place_of(intern, word)->entry = entry;
	put_slot(intern, (struct slot){word, hash});
	intern->count++;
	return word;
}

/* As deep as words hold words that hold words. */
static void drop_locked(struct kev_intern *intern, uint32_t word)
{
	struct entry *entry = entry_of(intern, word);
	struct kev_str s = kev_intern_get(intern, word);

	if (--entry->references)
		return;
	empty_slot(intern, find_slot(intern, hash_of(intern, s), s, entry->holds));
	give_number(intern, word);
	intern->count--;
	for (size_t i = 0; i < entry->holds; i++) {
		if (held_word(entry, i) != KEV_INTERN_NONE)
			drop_locked(intern, held_word(entry, i));
	}
	free(entry);
}

/* ---- what is called ---- */

/* Was it wanted before? Whoever comes by may push it out: then it takes one time more. */
static bool was_seen(struct kev_intern *intern, uint32_t hash)
{
	uint32_t *seen = &intern->seen[hash % SEEN];
	bool before = *seen == hash;

	*seen = hash;
	return before;
}

static void take_locked(struct kev_intern *intern, uint32_t hash, struct kev_intern_want *want)
{
	want->word = intern->slots[find_slot(intern, hash, want->string, want->holds)].word;
	if (want->word != KEV_INTERN_NONE)
		entry_of(intern, want->word)->references++;
	else if (want->needed || was_seen(intern, hash))
		want->word = add(intern, hash, want);
}

int kev_intern_take(struct kev_intern *intern, struct kev_intern_want *wants, size_t count)
{
	int r = 0;

	/* Others wait for the lock: what can be done before it is. */
	for (size_t i = 0; i < count; i++)
		wants[i].word = hash_of(intern, wants[i].string);
	pthread_mutex_lock(&intern->lock);
	for (size_t i = 0; i < count && !r; i++) {
		take_locked(intern, wants[i].word, &wants[i]);
		if (wants[i].word != KEV_INTERN_NONE || !wants[i].needed)
			continue;
		while (i > 0) {
			if (wants[--i].word != KEV_INTERN_NONE)
				drop_locked(intern, wants[i].word);
		}
		r = -ENOMEM;
	}
	pthread_mutex_unlock(&intern->lock);
	return r;
}

void kev_intern_drop(struct kev_intern *intern, const uint32_t *words, size_t count)
{
	pthread_mutex_lock(&intern->lock);
	for (size_t i = 0; i < count; i++) {
		if (words[i] != KEV_INTERN_NONE)
			drop_locked(intern, words[i]);
	}
	pthread_mutex_unlock(&intern->lock);
}

size_t kev_intern_count(struct kev_intern *intern)
{
	size_t count;

	pthread_mutex_lock(&intern->lock);
	count = intern->count;
	pthread_mutex_unlock(&intern->lock);
	return count;
}
