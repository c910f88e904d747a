#ifndef KEVFS_TESTS_UNIT_TREE_WORLD_H
#define KEVFS_TESTS_UNIT_TREE_WORLD_H

#include "../test.h"

#include "kevfs/event/event.h"
#include "kevfs/store/store.h"
#include "kevfs/tree/tree.h"

/* A store with its journal, a tree that follows it, and a clock that stands still. */
struct world {
	struct kev_clock clock;
	int64_t now;
	struct kev_changes *changes;
	struct kev_store *store;
	struct kev_tree *tree;
	struct kev_json *json;
	unsigned revision; /* the resourceVersion given last */
};

#define WORLD_NOW (1780000000LL * 1000000000)
#define WORLD_SECOND 1000000000LL

struct world *world_create(void);
void world_destroy(struct world *world);

/* cmocka's setup and teardown: *state is a world. */
int world_setup(void **state);
int world_teardown(void **state);

/* An event. Fields without data get what an ordinary event of pod "web" in "shop" has; resource_version a new
 * one. */
struct world_event {
	struct kev_str namespace_, name, uid, resource_version, api_version, kind, object_namespace, object,
		message, type, reason, host;
	int64_t written;   /* creationTimestamp, seconds */
	int64_t last_seen; /* lastTimestamp, seconds; 0: none */
};

/* @return new */
struct kev_event *world_make_event(struct world *world, const struct world_event *event);

/* Put it into the store. @return borrowed: the store's */
struct kev_event *world_put(struct world *world, const struct world_event *event, enum kev_origin origin);

/* Put a live event of a pod, of that namespace, object and name. */
struct kev_event *world_live(
	struct world *world, const char *namespace_, const char *object, const char *name);

/* Let there be logs, before anything else. */
void world_enable_logs(struct world *world, uint64_t log_max);

/* What is due at a resync. */
void world_follow(struct world *world, kev_tree_stale_fn *stale, void *context);

/* Carry the journal over into the tree. */
void world_carry(struct world *world, kev_tree_stale_fn *stale, void *context);

/* Look a path up from the root, every part of it; only the last node keeps its lookup. A path that ends
 * before its end has node 0. */
struct kev_entry world_find(struct world *world, const char *path);

/* The same, and the node is forgotten. */
struct kev_attr world_attr(struct world *world, const char *path);
bool world_has(struct world *world, const char *path);

/* Forget one lookup. */
void world_forget(struct world *world, uint64_t node);

/* The names that a directory lists (without "." and ".."), each followed by a newline, sorted. @return new */
char *world_list(struct world *world, const char *path);

/* What the directory of a namespace lists, and its hidden one, whatever it holds. */
#define WORLD_LINKS "by-node\nby-reason\nby-type\nevents\n"

#define assert_lists(world, path, expected)            \
	do {                                           \
		char *list_ = world_list(world, path); \
                                                       \
		assert_string_equal(list_, expected);  \
		free(list_);                           \
	} while (0)

#endif
