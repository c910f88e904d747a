#ifndef KEVFS_TREE_ROLE_H
#define KEVFS_TREE_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/hash.h"
#include "kevfs/base/str.h"
#include "kevfs/tree/members.h"
#include "kevfs/tree/tree.h"

/**
 * What a node of the tree is: a role that a thing plays. One namespace, for example, plays four: the
 * directory /<namespace>, the link in it, the directory /.kevfs/namespaces/<namespace>, and the directory of
 * all its events in there.
 *
 * A role is a constant: the functions that know the thing, and what its directory lists. To add a derived
 * directory or a link is to write its role and to name it in the fixed entries of its parent's; lookup,
 * listing, attributes and node numbers follow from that. A directory lists two sorts of entry: fixed ones,
 * whose names are ours (they play another role of the same thing, or of a part of it), and members, whose
 * names come from the cluster and cannot be ours (path.h).
 */
struct kev_role;

/** A thing in one of its roles. Two places are the same if both pointers are. */
struct kev_place {
	const struct kev_role *role; /**< NULL: no place */
	void *item;
};

/** An entry that a directory has by its role. */
struct kev_fixed {
	const char *name;
	const struct kev_role *role;
	bool hidden; /**< found by name, not listed, not counted */

	/** What plays the role; NULL: the directory's own item. @return 0, -ENOENT (there is none now; the
	 * change is told of as any other) or -ENOMEM */
	int (*item)(void *directory, void **out);
};

/** A piece of a file's content: taken under the tree's lock, read and released without it. */
struct kev_content {
	/** @return bytes copied: less than len at the end only; or -ENOMEM */
	ssize_t (*read)(void *data, uint64_t offset, void *out, size_t len);
	void (*release)(void *data);
	void *data; /**< owned */
};

/** No directory has more fixed entries than that: their cookies stand before KEV_MEMBERS_COOKIE_FIRST. */
#define KEV_FIXED_MAX (KEV_MEMBERS_COOKIE_FIRST - 3)

struct kev_role {
	enum kev_node_type type;

	/** Of a directory: how many directories are in it is not known, and nlink is 1, which find(1) and
	 * fts(3) understand. Likewise of one that is denied. */
	bool uncounted;

	/**
	 * Of a directory without members: who lists it, and does not go on, must not make others wait for
	 * what is in it. A notification of a name in it waits for the directory's lock, and behind that so
	 * does whoever looks a name up. So none is sent: of what is found in it the kernel keeps no
	 * attributes, and no name but a directory's, which never changes; and a listing gives no node, whose
	 * attributes would arrive when the reader likes.
	 */
	bool unkept;

	/** It can be shown before the first sync is complete: nothing of it is the cluster's. */
	bool early;

	/**
	 * NULL but for what is made on the fly: there the item only says where. A LOOKUP gives out a thing of
	 * its own each time, under a node number of its own, and the kernel keeps the name for no time; a
	 * listing gives no node. Called without the tree's lock, so it may take others.
	 * @return 0, and a place that the caller gives up with role->drop; -ENFILE (there are too many) or
	 * -ENOMEM
	 */
	int (*make)(void *item, struct kev_place *out);

	/** Is the thing there, so that its parent lists it, and has its directory content? NULL: always. */
	bool (*there)(const void *item);

	/** May nobody look into it, nor into anything below it? NULL: that is for those above to say. It is
	 * there all the same, and has attributes. */
	bool (*denied)(const void *item);

	/** What its parent calls it; of a directory or a link borrowed from the item, and it cannot fail.
	 * NULL for the root, and for a fixed entry whose name the parent's role has once. @return 0 or
	 * -ENOMEM */
	int (*name)(const void *item, struct kev_buf *scratch, struct kev_str *out);

	/** Where it stands. NULL for the root, and for an event, which stands in several places. */
	struct kev_place (*parent)(void *item);

	/** st_ino. NULL: it follows from the path (kev_ino_of_path). */
	uint64_t (*ino)(const void *item);

	/** Set mtime, ctime and size. */
	void (*attr)(const void *item, struct kev_attr *out);

	/** A file's content: what a read of len bytes at offset needs. @return 0 or -ENOMEM */
	int (*content)(void *item, uint64_t offset, size_t len, struct kev_content *out);

	/** A link's target: append it. @return 0 or the buffer's error */
	int (*target)(const void *item, struct kev_buf *out);

	/** A directory's fixed entries. */
	const struct kev_fixed *fixed;
	size_t fixed_count;

	/** Called before members are looked for or listed, where there is something to be done first.
	 * @return 0 or -ENOMEM */
	int (*prepare)(void *item);

	/** A directory's members, all in one role; NULL: it has none, or has none now. */
	const struct kev_members *(*members)(const void *item);
	const struct kev_role *member;

	/** How many members are there (directories only: what nlink counts). */
	uint32_t (*listed)(const void *item);

	/** A node number begins, or ends, to stand for it: it must not be freed in between. */
	void (*hold)(void *item);
	void (*drop)(void *item);
};

static inline bool kev_place_same(struct kev_place a, struct kev_place b)
{
	return a.role == b.role && a.item == b.item;
}

static inline bool kev_place_there(struct kev_place place)
{
	return !place.role->there || place.role->there(place.item);
}

/** Does it, or something above it, say that nobody may look into it? */
bool kev_place_denied(struct kev_place place);

/** st_ino of the root; of other things it is never that small. */
#define KEV_INO_ROOT 1
#define KEV_INO_MIN 16

/** The st_ino that a hash gives. */
uint64_t kev_ino_of_hash(uint64_t hash);

/** st_ino of a directory or a link: a hash of its path (no two roles of one thing have the same). */
uint64_t kev_ino_of_path(struct kev_place place);

/** Append the path from the root on. @return 0 or the buffer's error */
int kev_place_append_path(struct kev_place place, struct kev_buf *out) KEV_MUST_USE;

/** st_ino of an event: a hash of its uid, namespace and name. */
uint64_t kev_ino_of_event(const struct kev_event *event);

void kev_place_attr(struct kev_place place, struct kev_attr *out);

/** The place of one of a directory's fixed entries. @return 0, -ENOENT or -ENOMEM */
int kev_place_fixed(
	struct kev_place directory, const struct kev_fixed *fixed, struct kev_place *out) KEV_MUST_USE;

/**
 * Find what a directory calls name.
 * @param key  what the tree's names are hashed with
 * @return 0, with out->role NULL where there is nothing; -EACCES or -ENOMEM
 */
int kev_place_child(struct kev_place directory, const struct kev_hash_key *key, struct kev_buf *scratch,
	struct kev_str name, struct kev_place *out) KEV_MUST_USE;

#endif
