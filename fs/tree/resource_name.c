#include "kevfs/tree/resource_name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/hash.h"
#include "kevfs/tree/members.h"
#include "kevfs/tree/path.h"

/* A kind can be as long as an event: beyond this its hash is remembered in its place. */
#define KEY_MAX 512

struct kev_resource_name {
	size_t uses;
	struct kev_resource_name *older, *newer; /* among the unused ones */
	bool known;                              /* to discovery */
	uint16_t key_len;
	uint8_t name_len;
	char text[]; /* the key, then the name */
};

struct kev_resource_names {
	struct kev_hash_key hash_key;
	struct kev_members by_key, by_name;
	struct kev_resource_name *oldest, *newest; /* the unused ones */
	size_t unused;
	struct kev_buf key, name; /* scratch */
};

static int key_of(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	const struct kev_resource_name *name = item;

	(void)scratch;
	*out = (struct kev_str){name->text, name->key_len};
	return 0;
}

static int name_of(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	(void)scratch;
	*out = kev_resource_name_str(item);
	return 0;
}

static struct kev_naming naming_by_key(const struct kev_resource_names *names)
{
	return (struct kev_naming){.name = key_of, .key = &names->hash_key};
}

static struct kev_naming naming_by_name(const struct kev_resource_names *names)
{
	return (struct kev_naming){.name = name_of, .key = &names->hash_key};
}

struct kev_resource_names *kev_resource_names_create(void)
{
	struct kev_resource_names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->hash_key = kev_hash_random_key();
	kev_buf_init(&names->key, KEV_PATH_ESCAPED_MAX);
	kev_buf_init(&names->name, KEV_PATH_NAME_MAX);
	return names;
}

void kev_resource_names_destroy(struct kev_resource_names *names)
{
	if (!names)
		return;
	for (uint32_t at = kev_members_after(&names->by_key, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(&names->by_key, at))
		free(kev_members_item(&names->by_key, at));
	kev_members_fini(&names->by_key);
	kev_members_fini(&names->by_name);
	kev_buf_fini(&names->key);
	kev_buf_fini(&names->name);
	free(names);
}

static void add_unused(struct kev_resource_names *names, struct kev_resource_name *name)
{
	name->older = names->newest;
	name->newer = NULL;
	if (names->newest)
		names->newest->newer = name;
	else
		names->oldest = name;
	names->newest = name;
	names->unused++;
}

static void remove_unused(struct kev_resource_names *names, struct kev_resource_name *name)
{
	if (name->older)
		name->older->newer = name->newer;
	else
		names->oldest = name->newer;
	if (name->newer)
		name->newer->older = name->older;
	else
		names->newest = name->older;
	names->unused--;
}

static void remove_member(struct kev_resource_names *names, struct kev_members *members,
	struct kev_str called, const struct kev_resource_name *name)
{
	uint32_t hash = kev_members_hash(&names->hash_key, called);

	kev_members_remove(members, hash, kev_members_slot(members, hash, name));
}

static void forget_oldest(struct kev_resource_names *names)
{
	struct kev_resource_name *name = names->oldest;

	remove_unused(names, name);
	remove_member(names, &names->by_key, (struct kev_str){name->text, name->key_len}, name);
	remove_member(names, &names->by_name, kev_resource_name_str(name), name);
	free(name);
}

void kev_resource_names_use(struct kev_resource_names *names, struct kev_resource_name *name)
{
	if (name->uses++ == 0)
		remove_unused(names, name);
}

void kev_resource_names_release(struct kev_resource_names *names, struct kev_resource_name *name)
{
	if (--name->uses > 0)
		return;
	add_unused(names, name);
	while (names->unused > KEV_RESOURCE_NAMES_UNUSED_MAX)
		forget_oldest(names);
}

struct kev_str kev_resource_name_str(const struct kev_resource_name *name)
{
	return (struct kev_str){name->text + name->key_len, name->name_len};
}

size_t kev_resource_names_count(const struct kev_resource_names *names)
{
	return names->by_key.count;
}

/* What is remembered: not the version of the group, but whether there was an apiVersion at all, since
 * kev_kinds_find looks further without one. */
static int make_key(struct kev_resource_names *names, struct kev_str api_version, struct kev_str kind,
	struct kev_str *out)
{
	struct kev_str group = kev_kinds_group_of(api_version);
	char sort = api_version.len ? 'v' : '-', hex[33];
	size_t len = group.len;

	kev_buf_clear(&names->key);
	kev_buf_append_char(&names->key, sort);
	kev_buf_append(&names->key, &len, sizeof(len));
	kev_buf_append_str(&names->key, group);
	if (kev_buf_append_str(&names->key, kind))
		return -ENOMEM;
	if (names->key.len > KEY_MAX) {
		kev_hash_hex128(kev_buf_str(&names->key), hex);
		kev_buf_fini(&names->key);
		if (kev_buf_append_c(&names->key, hex))
			return -ENOMEM;
	}
	*out = kev_buf_str(&names->key);
	return 0;
}

/* Does it read like a plural of Kubernetes' own? */
static bool is_like_plural(struct kev_str kind)
{
	for (size_t i = 0; i < kind.len; i++) {
		char c = kind.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return kind.len > 0 && kind.data[kind.len - 1] == 's';
}

/* Does a name that discovery knows (or, of those it does not know) stand there already? */
static bool is_taken(const struct kev_resource_names *names, bool by_known)
{
	const struct kev_naming naming = naming_by_name(names);
	struct kev_str name = kev_buf_str(&names->name);
	uint32_t slot, hash = kev_members_hash(&names->hash_key, name);
	const struct kev_resource_name *other;

	if (kev_members_find(&names->by_name, &naming, name, hash, &slot))
		return false;
	other = kev_members_item(&names->by_name, slot);
	return other->known == by_known;
}

/* Decide the name, into names->name. */
static int decide(struct kev_resource_names *names, const struct kev_kinds *kinds, struct kev_str api_version,
	struct kev_str kind, bool *known)
{
	struct kev_str group, plural;
	int r;

	kev_buf_clear(&names->name);
	*known = kev_kinds_find(kinds, api_version, kind, &group, &plural);
	if (*known) {
		r = kev_path_append_resource(&names->name, group, plural);
		if (kev_kinds_group_is_bare(group))
			group = KEV_STR("");
		kind = plural;
	} else {
		group = kev_kinds_group_of(api_version);
		r = kev_path_append_kind(&names->name, group, kind, group.len == 0 && is_like_plural(kind));
	}
	if (r || !is_taken(names, !*known))
		return r;
	kev_buf_clear(&names->name);
	return kev_path_append_kind(&names->name, group, kind, true);
}

static int remember(struct kev_resource_names *names, bool known, struct kev_resource_name **out)
{
	const struct kev_naming by_key = naming_by_key(names), by_name = naming_by_name(names);
	struct kev_resource_name *name = malloc(sizeof(*name) + names->key.len + names->name.len);

	if (!name || kev_members_reserve(&names->by_key, &by_key) ||
		kev_members_reserve(&names->by_name, &by_name)) {
		free(name);
		return -ENOMEM;
	}
	*name = (struct kev_resource_name){
		.known = known, .key_len = (uint16_t)names->key.len, .name_len = (uint8_t)names->name.len};
	memcpy(name->text, names->key.data, names->key.len);
	memcpy(name->text + names->key.len, names->name.data, names->name.len);
	kev_members_add(&names->by_key, kev_members_hash(&names->hash_key, kev_buf_str(&names->key)), name);
	kev_members_add(&names->by_name, kev_members_hash(&names->hash_key, kev_buf_str(&names->name)), name);
	add_unused(names, name);
	while (names->unused > KEV_RESOURCE_NAMES_UNUSED_MAX)
		forget_oldest(names);
	*out = name;
	return 0;
}

int kev_resource_names_get(struct kev_resource_names *names, const struct kev_kinds *kinds,
	struct kev_str api_version, struct kev_str kind, struct kev_resource_name **out)
{
	const struct kev_naming naming = naming_by_key(names);
	struct kev_str key;
	uint32_t slot;
	bool known;

	if (make_key(names, api_version, kind, &key))
		return -ENOMEM;
	if (!kev_members_find(&names->by_key, &naming, key, kev_members_hash(&names->hash_key, key), &slot)) {
		*out = kev_members_item(&names->by_key, slot);
		return 0;
	}
	if (decide(names, kinds, api_version, kind, &known))
		return -ENOMEM;
	return remember(names, known, out);
}
