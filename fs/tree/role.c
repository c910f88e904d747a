#include "kevfs/tree/role.h"

#include <errno.h>
#include <string.h>

#include "kevfs/tree/path.h"

/* /.kevfs/namespaces/<ns>/<view>/<key> and /<ns>/<resource>/<object>/events are the deepest, and some. */
#define PATH_MAX_HERE (8 * (KEV_PATH_NAME_MAX + 1))

/* Fixed for ever: st_ino must be the same in the next mount. One key a domain, so that no path can be given
 * the number of an event by its text. */
static const struct kev_hash_key path_key = {0x6b65766673206469ULL, 0x726563746f727931ULL};
static const struct kev_hash_key event_key = {0x6b65766673206576ULL, 0x656e742066696c65ULL};

uint64_t kev_ino_of_hash(uint64_t hash)
{
	return hash < KEV_INO_MIN ? hash + KEV_INO_MIN : hash;
}

static struct kev_str name_of(struct kev_place place, struct kev_place parent)
{
	struct kev_str name = {NULL, 0};

	if (place.role->name) {
		(void)place.role->name(place.item, NULL, &name);
		return name;
	}
	for (size_t i = 0; i < parent.role->fixed_count; i++) {
		if (parent.role->fixed[i].role == place.role)
			return kev_str_c(parent.role->fixed[i].name);
	}
	return name;
}

/* Write a place's path at the end of a buffer. @return where it begins */
static size_t write_path(struct kev_place place, char path[PATH_MAX_HERE])
{
	size_t at = PATH_MAX_HERE;

	while (place.role->parent) {
		struct kev_place parent = place.role->parent(place.item);
		struct kev_str name = name_of(place, parent);

		if (name.len + 1 > at)
			break;
		at -= name.len;
		if (name.len)
			memcpy(path + at, name.data, name.len);
		path[--at] = '/';
		place = parent;
	}
	return at;
}

uint64_t kev_ino_of_path(struct kev_place place)
{
	char path[PATH_MAX_HERE];
	size_t at = write_path(place, path);

	return kev_ino_of_hash(kev_hash_sip13(&path_key, path + at, sizeof(path) - at));
}

int kev_place_append_path(struct kev_place place, struct kev_buf *out)
{
	char path[PATH_MAX_HERE];
	size_t at = write_path(place, path);

	if (!place.role->parent)
		return kev_buf_append_char(out, '/');
	return kev_buf_append(out, path + at, sizeof(path) - at);
}

/* One string after the other, each keyed by the hash so far: no text can shift from one into the next. */
static struct kev_hash_key chain(struct kev_hash_key key, struct kev_str s)
{
	return (struct kev_hash_key){kev_hash_sip13(&key, s.data, s.len), key.k1};
}

uint64_t kev_ino_of_event(const struct kev_event *event)
{
	struct kev_event_room room;
	struct kev_hash_key key = chain(event_key, kev_event_uid(event, &room));

	key = chain(key, kev_event_namespace(event));
	return kev_ino_of_hash(chain(key, kev_event_name(event, &room)).k0);
}

bool kev_place_denied(struct kev_place place)
{
	while (!place.role->denied && place.role->parent)
		place = place.role->parent(place.item);
	return place.role->denied && place.role->denied(place.item);
}

static uint32_t count_links(struct kev_place place)
{
	const struct kev_role *role = place.role;
	uint32_t links = 2;

	if (role->uncounted || (role->denied && role->denied(place.item)))
		return 1;
	if (!kev_place_there(place))
		return links;
	for (size_t i = 0; i < role->fixed_count; i++) {
		if (!role->fixed[i].hidden && role->fixed[i].role->type == KEV_NODE_DIR)
			links++;
	}
	return links + (role->listed ? role->listed(place.item) : 0);
}

void kev_place_attr(struct kev_place place, struct kev_attr *out)
{
	const struct kev_role *role = place.role;

	*out = (struct kev_attr){.type = role->type};
	out->ino = role->ino ? role->ino(place.item) : kev_ino_of_path(place);
	out->nlink = role->type == KEV_NODE_DIR ? count_links(place) : 1;
	role->attr(place.item, out);
}

int kev_place_fixed(struct kev_place directory, const struct kev_fixed *fixed, struct kev_place *out)
{
	void *item = directory.item;
	int r = fixed->item ? fixed->item(directory.item, &item) : 0;

	if (!r)
		*out = (struct kev_place){fixed->role, item};
	return r;
}

int kev_place_child(struct kev_place directory, const struct kev_hash_key *key, struct kev_buf *scratch,
	struct kev_str name, struct kev_place *out)
{
	const struct kev_role *role = directory.role;
	const struct kev_members *members;
	struct kev_place child = {NULL, NULL};
	uint32_t slot;
	int r;

	if (kev_place_denied(directory))
		return -EACCES;
	r = role->prepare ? role->prepare(directory.item) : 0;
	if (r)
		return r;
	members = role->members ? role->members(directory.item) : NULL;
	for (size_t i = 0; i < role->fixed_count; i++) {
		if (!kev_str_eq(name, kev_str_c(role->fixed[i].name)))
			continue;
		r = kev_place_fixed(directory, &role->fixed[i], &child);
		members = NULL;
	}
	if (members) {
		const struct kev_naming naming = {role->member->name, key, scratch};

		r = kev_members_find(members, &naming, name, kev_members_hash(key, name), &slot);
		if (!r)
			child = (struct kev_place){role->member, kev_members_item(members, slot)};
	}
	if (r && r != -ENOENT)
		return r;
	if (child.role && !(kev_place_there(directory) && kev_place_there(child)))
		child.role = NULL;
	*out = child;
	return 0;
}
