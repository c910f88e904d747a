#ifndef KEVFS_TREE_OBJECT_H
#define KEVFS_TREE_OBJECT_H

#include "kevfs/base/str.h"
#include "kevfs/tree/role.h"

/**
 * The lower end of the tree that people walk: objects, and the events in them. Under the tree's lock, like
 * everything here.
 */
struct kev_resource;
struct kev_object;

extern const struct kev_role kev_role_object;        /**< item: an object */
extern const struct kev_role kev_role_object_events; /**< an object: its "events" */
extern const struct kev_role kev_role_event;         /**< an event, in every directory that holds it */

/** Find by the directory's name. @return 0, -ENOENT or -ENOMEM */
int kev_object_find(struct kev_resource *resource, struct kev_str name, struct kev_object **out) KEV_MUST_USE;

/** Find, or make one that is not there yet (reap it if nothing comes of it). @return 0 or -ENOMEM */
int kev_object_make(struct kev_resource *resource, struct kev_str name, struct kev_object **out) KEV_MUST_USE;

/** Make sure that one event can be added to it without failing. @return 0 or -ENOMEM */
int kev_object_reserve(struct kev_object *object) KEV_MUST_USE;

/** Make sure that it has a place for events, and for a log. @return 0 or -ENOMEM */
int kev_object_prepare(struct kev_object *object) KEV_MUST_USE;

/** How many events it has. */
uint32_t kev_object_event_count(const struct kev_object *object);

/** Free it and those above it as far as they are not there, hold nothing, and no node number stands for them.
 */
void kev_object_reap(struct kev_object *object);

/** What the roles of an object have in common. */
void kev_object_hold(void *item);
void kev_object_drop(void *item);
bool kev_object_there(const void *item);

/** Free it alone, whoever knows it. */
void kev_object_free(struct kev_object *object);

#endif
