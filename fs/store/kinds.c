#include "kevfs/store/kinds.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/hash.h"
#include "kevfs/store/table.h"

/* RFC 1123: a label. Kubernetes' plurals are labels. */
#define LABEL_MAX 63

/* A group is a DNS subdomain, a kind a label in mixed case; the server may be hostile. */
#define TEXT_MAX 253

/* One kind. The group's, kind's and plural's bytes stand in text, one behind the other. */
struct kind {
	struct kind *same_kind; /* the next one of that name, of another group */
	uint8_t group_len, kind_len, plural_len;
	char text[];
};

struct kev_kinds {
	atomic_size_t references;
	struct kev_hash_key random;
	struct kev_table *by_both; /* (group, kind) → struct kind, owned */
	struct kev_table *by_kind; /* kind → the first of those of that name */
};

struct both {
	struct kev_str group, kind;
};

/* What kube-apiserver ships, as its own discovery said it. */
static const struct builtin {
	const char *group, *kind, *plural;
} builtins[] = {
#include "builtin_kinds.inc"
};

static struct kev_str group_of(const struct kind *kind)
{
	return (struct kev_str){kind->text, kind->group_len};
}

static struct kev_str kind_of(const struct kind *kind)
{
	return (struct kev_str){kind->text + kind->group_len, kind->kind_len};
}

static struct kev_str plural_of(const struct kind *kind)
{
	return (struct kev_str){kind->text + kind->group_len + kind->kind_len, kind->plural_len};
}

static bool match_both(const void *entry, const void *key)
{
	const struct both *both = key;

	return kev_str_eq(kind_of(entry), both->kind) && kev_str_eq(group_of(entry), both->group);
}

static bool match_kind(const void *entry, const void *key)
{
	const struct kev_str *kind = key;

	return kev_str_eq(kind_of(entry), *kind);
}

struct kev_kinds *kev_kinds_create(void)
{
	struct kev_kinds *kinds = calloc(1, sizeof(*kinds));

	if (!kinds)
		return NULL;
	atomic_init(&kinds->references, 1);
	kinds->random = kev_hash_random_key();
	kinds->by_both = kev_table_create(match_both);
	kinds->by_kind = kev_table_create(match_kind);
	if (kinds->by_both && kinds->by_kind)
		return kinds;
	kev_kinds_unref(kinds);
	return NULL;
}

struct kev_kinds *kev_kinds_ref(struct kev_kinds *kinds)
{
	atomic_fetch_add_explicit(&kinds->references, 1, memory_order_relaxed);
	return kinds;
}

void kev_kinds_unref(struct kev_kinds *kinds)
{
	struct kev_table_slot *slot;
	size_t position = 0;

	if (!kinds || atomic_fetch_sub_explicit(&kinds->references, 1, memory_order_acq_rel) != 1)
		return;
	while (kinds->by_both && (slot = kev_table_next(kinds->by_both, &position)))
		free(slot->entry);
	kev_table_destroy(kinds->by_both);
	kev_table_destroy(kinds->by_kind);
	free(kinds);
}

static bool is_label(struct kev_str s)
{
	if (s.len == 0 || s.len > LABEL_MAX || s.data[0] == '-' || s.data[s.len - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	return true;
}

static struct kind *create_kind(const struct both *both, struct kev_str plural)
{
	struct kind *kind = malloc(sizeof(*kind) + both->group.len + both->kind.len + plural.len);
	char *text;

	if (!kind)
		return NULL;
	kind->same_kind = NULL;
	kind->group_len = (uint8_t)both->group.len;
	kind->kind_len = (uint8_t)both->kind.len;
	kind->plural_len = (uint8_t)plural.len;
	text = kind->text;
	if (both->group.len)
		memcpy(text, both->group.data, both->group.len);
	memcpy(text + both->group.len, both->kind.data, both->kind.len);
	memcpy(text + both->group.len + both->kind.len, plural.data, plural.len);
	return kind;
}

int kev_kinds_add(struct kev_kinds *kinds, struct kev_str group, struct kev_str kind, struct kev_str plural)
{
	const struct both both = {group, kind};
	uint32_t hash = kev_table_hash(&kinds->random, group, kind);
	uint32_t kind_hash = kev_table_hash(&kinds->random, KEV_STR(""), kind);
	struct kev_table_slot *same;
	struct kind *entry;

	if (kind.len == 0 || kind.len > TEXT_MAX || group.len > TEXT_MAX || !is_label(plural))
		return -EINVAL;
	if (kev_table_find(kinds->by_both, hash, &both))
		return 0;
	if (kev_table_count(kinds->by_both) >= KEV_KINDS_MAX)
		return -ENOSPC;
	if (kev_table_reserve(kinds->by_both) || kev_table_reserve(kinds->by_kind))
		return -ENOMEM;
	entry = create_kind(&both, plural);
	if (!entry)
		return -ENOMEM;
	kev_table_insert(kinds->by_both, hash, entry, 0);
	same = kev_table_find(kinds->by_kind, kind_hash, &kind);
	if (same) {
		/* The table's entry is the head of the list; its place in the list does not matter. */
		struct kind *head = same->entry;

		entry->same_kind = head->same_kind;
		head->same_kind = entry;
	} else {
		kev_table_insert(kinds->by_kind, kind_hash, entry, 0);
	}
	return 0;
}

struct kev_kinds *kev_kinds_create_builtin(void)
{
	struct kev_kinds *kinds = kev_kinds_create();

	for (size_t i = 0; kinds && i < KEV_ARRAY_LEN(builtins); i++) {
		const struct builtin *b = &builtins[i];

		if (kev_kinds_add(kinds, kev_str_c(b->group), kev_str_c(b->kind), kev_str_c(b->plural))) {
			kev_kinds_unref(kinds);
			return NULL;
		}
	}
	return kinds;
}

/* @return the group's place in the table: core is 0; KEV_ARRAY_LEN(builtins) + 1 where it is not there */
static size_t rank_of(struct kev_str group)
{
	size_t i = 0;

	if (group.len == 0)
		return 0;
	while (i < KEV_ARRAY_LEN(builtins) && !kev_str_eq(kev_str_c(builtins[i].group), group))
		i++;
	return i + 1;
}

static bool is_foreign(size_t rank)
{
	return rank > KEV_ARRAY_LEN(builtins);
}

bool kev_kinds_group_is_bare(struct kev_str group)
{
	return !is_foreign(rank_of(group));
}

struct kev_str kev_kinds_group_of(struct kev_str api_version)
{
	const char *slash = api_version.len ? memrchr(api_version.data, '/', api_version.len) : NULL;

	return (struct kev_str){api_version.data, slash ? (size_t)(slash - api_version.data) : 0};
}

/* The one that a kind without an apiVersion means. */
static const struct kind *find_by_kind(const struct kev_kinds *kinds, struct kev_str kind)
{
	uint32_t hash = kev_table_hash(&kinds->random, KEV_STR(""), kind);
	const struct kev_table_slot *slot = kev_table_find(kinds->by_kind, hash, &kind);
	const struct kind *best = NULL;
	size_t best_rank = SIZE_MAX;
	bool unique = true;

	for (const struct kind *k = slot ? slot->entry : NULL; k; k = k->same_kind) {
		size_t rank = rank_of(group_of(k));

		/* All foreign groups have the same rank, and nothing else has. */
		unique = rank != best_rank && unique;
		if (rank < best_rank) {
			best = k;
			best_rank = rank;
			unique = true;
		}
	}
	return unique ? best : NULL;
}

bool kev_kinds_find(const struct kev_kinds *kinds, struct kev_str api_version, struct kev_str kind,
	struct kev_str *group, struct kev_str *plural)
{
	const struct kind *found;

	if (api_version.len == 0) {
		found = find_by_kind(kinds, kind);
	} else {
		const struct both both = {kev_kinds_group_of(api_version), kind};
		uint32_t hash = kev_table_hash(&kinds->random, both.group, kind);
		const struct kev_table_slot *slot = kev_table_find(kinds->by_both, hash, &both);

		found = slot ? slot->entry : NULL;
	}
	if (!found)
		return false;
	*group = group_of(found);
	*plural = plural_of(found);
	return true;
}

int kev_kinds_walk(const struct kev_kinds *kinds, kev_kinds_fn *visit, void *context)
{
	struct kev_table_slot *slot;
	size_t position = 0;
	int r = 0;

	while (!r && (slot = kev_table_next(kinds->by_both, &position)))
		r = visit(context, group_of(slot->entry), kind_of(slot->entry), plural_of(slot->entry));
	return r;
}

size_t kev_kinds_count(const struct kev_kinds *kinds)
{
	return kev_table_count(kinds->by_both);
}
