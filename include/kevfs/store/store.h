#ifndef KEVFS_STORE_STORE_H
#define KEVFS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/str.h"
#include "kevfs/event/event.h"
#include "kevfs/store/bounds.h"
#include "kevfs/store/changes.h"
#include "kevfs/store/kinds.h"
#include "kevfs/store/meter.h"
#include "kevfs/store/retained.h"

/**
 * What the cluster holds as far as kevfs knows: events by (namespace, name), pods, namespaces, kinds. Written
 * by the watches, followed through its journal.
 *
 * One thread at a time writes (put, delete, relist, expire, set_kinds): the feed's, or the replay's. So the
 * journal tells what happened in the order in which it happened, although it is appended to after the store's
 * lock was given back: locks are leaves. Everything else may be called from any thread. Nothing waits for
 * anything but the store's lock.
 */
struct kev_store;

/** Both borrowed; must outlive the store. @return new, or NULL on ENOMEM */
struct kev_store *kev_store_create(const struct kev_clock *clock, struct kev_changes *changes);
void kev_store_destroy(struct kev_store *store);

/** Where all who have to do with the store count what they do. Borrowed; lives as long as the store. */
struct kev_meter *kev_store_meter(const struct kev_store *store);

/** Where the strings are that its events share. Borrowed; lives as long as the store, or an event. */
struct kev_intern *kev_store_words(const struct kev_store *store);

/**
 * From now on an event that the server no longer has stays, marked (kev_event_gone()), until a limit is
 * passed. Called before anything is put.
 */
void kev_store_set_retain(struct kev_store *store, const struct kev_retain *retain);

/**
 * From now on there are no more events than that, gone ones included: the oldest are let go, as if nothing
 * had ever been heard of them, and one that is older than all that there is does not come in. So a list that
 * brings again what was let go changes nothing. What a watch brings is the newest, whatever it says. Called
 * before anything is put.
 */
void kev_store_set_bounds(struct kev_store *store, const struct kev_bounds *bounds);

/**
 * From now on what changes of events is appended to another journal too: the archive's; and that something
 * has changed of who may be seen, but not what. Called before the writing thread starts.
 */
void kev_store_set_history(struct kev_store *store, struct kev_changes *history);

/**
 * Put a revision as an archive holds it, with its own ctime, in place of the one of its name. Called before
 * the writing thread starts.
 * @param gone  since when it is gone; 0: it is not, or another revision follows
 * @return 0 or -ENOMEM (the store is then unchanged, or lacks the mark)
 */
int kev_store_restore(
	struct kev_store *store, struct kev_event *event /* taken in any case */, int64_t gone) KEV_MUST_USE;

/** How an event reached us: decides its ctime. */
enum kev_origin {
	/**
	 * From the first sync: ctime is the second of the server's last write (kev_event_written), and its
	 * nanoseconds say which revision it is (kev_revision_ns), so that the next mount says the same, and
	 * two revisions never share one. As for LIVE where that is unknown, in the future, or not later than
	 * that of the revision which is there already.
	 */
	KEV_ORIGIN_FIRST_SYNC,
	/** From a watch: ctime is now, but later than every ctime that was given before. */
	KEV_ORIGIN_LIVE,
	/** From a later list: as LIVE, but it need not have been written now (kev_bounds_age()). */
	KEV_ORIGIN_RELIST,
};

/**
 * Put a revision in place of the one that has its namespace and name, also where its resourceVersion is a
 * lower one (a restored etcd goes back). If it is the same revision (kev_event_same) nothing happens but that
 * it is marked as seen by a relist, and, where it was gone, that it is there again. Sets the event's ctime,
 * publishes it, appends to the journal.
 * @return 0 or -ENOMEM (the store is then unchanged)
 */
int kev_store_put(struct kev_store *store, struct kev_event *event /* taken in any case */,
	enum kev_origin origin) KEV_MUST_USE;

/** The server no longer has the event of that name: remove or, with kev_store_set_retain(), mark it. Nothing
 * where there is none, or where it is gone already. */
void kev_store_delete(struct kev_store *store, struct kev_str namespace_, struct kev_str name);

/** A pod's or a namespace's name may be this long. */
#define KEV_STORE_NAME_MAX 4096

/**
 * A pod or a namespace is there. What is there already with the same created is only marked as seen.
 * @param created  ns since the epoch, 0 unknown; kept in whole seconds, which is what the API gives, until
 * 2106
 * @return 0, -EINVAL (a name that is empty, over KEV_STORE_NAME_MAX, or holds a NUL) or -ENOMEM; the store is
 * unchanged on error
 */
int kev_store_put_pod(struct kev_store *store, struct kev_str namespace_, struct kev_str name,
	int64_t created) KEV_MUST_USE;
int kev_store_put_namespace(struct kev_store *store, struct kev_str name, int64_t created) KEV_MUST_USE;
void kev_store_delete_pod(struct kev_store *store, struct kev_str namespace_, struct kev_str name);
void kev_store_delete_namespace(struct kev_store *store, struct kev_str name);

/**
 * Pods may not be listed any more: which ones there are is not known, so there are none.
 * @param namespace_  only this namespace's; empty means all
 */
void kev_store_forget_pods(struct kev_store *store, struct kev_str namespace_);

/** How often a namespace came, changed, or went: whoever compares need not look otherwise. */
uint64_t kev_store_namespace_changes(struct kev_store *store);

/**
 * Whose Events may be seen: by itself everybody's. Once restricted, only those of the namespaces that were
 * permitted: what the others hold nobody can say, so they must not look empty. What is here of them stays,
 * unseen, so that nothing is lost where they may be seen again.
 * @param restricted  false: all may be seen again, and none is permitted by name any more
 */
void kev_store_restrict(struct kev_store *store, bool restricted);

/** Permit a namespace by name, whether or not it is there; or do so no more. @return 0, -EINVAL (no usable
 * name) or -ENOMEM */
int kev_store_permit(struct kev_store *store, struct kev_str namespace_, bool permitted) KEV_MUST_USE;

/** May it be seen: is nothing restricted, or was it permitted? */
bool kev_store_is_permitted(struct kev_store *store, struct kev_str namespace_);

/** Is anything restricted? */
bool kev_store_is_restricted(struct kev_store *store);

/** How often any of that changed: whoever compares need not look otherwise. */
uint64_t kev_store_access_changes(struct kev_store *store);

/** What a (re)list covers. */
enum kev_scope_kind { KEV_SCOPE_EVENTS, KEV_SCOPE_PODS, KEV_SCOPE_NAMESPACES };

/**
 * A relist as a diff: begin, put everything that the list holds, end: what was not put since begin and lies
 * within the scope is deleted, or marked. A list that breaks off is simply never ended. Relists of different
 * scopes may overlap in time.
 * @return what to give to kev_store_relist_end()
 */
uint32_t kev_store_relist_begin(struct kev_store *store) KEV_MUST_USE;

/** @param namespace_  only this namespace's; empty means all (of EVENTS and PODS) */
void kev_store_relist_end(
	struct kev_store *store, enum kev_scope_kind kind, struct kev_str namespace_, uint32_t begun);

/**
 * Delete what was retained for long enough, or is too much, in the order in which it went. The writing thread
 * calls it from time to time.
 * @return ns until there is something to do by age; INT64_MAX where nothing is
 */
int64_t kev_store_expire(struct kev_store *store);

/** Publish what discovery said. Takes the reference. */
void kev_store_set_kinds(struct kev_store *store, struct kev_kinds *kinds /* taken */);

/** The kinds published last. @return a new reference; never NULL (the built-in ones at first) */
struct kev_kinds *kev_store_kinds(struct kev_store *store);

/** How many there are. */
struct kev_store_counts {
	size_t events, pods, namespaces; /**< events: also those that are gone, and retained */
	size_t retained;
	uint64_t evicted;      /**< how often one was let go, or did not come in, by kev_store_set_bounds() */
	int64_t evicted_since; /**< realtime ns of the first time; 0: never */
	uint64_t event_bytes, retained_bytes; /**< sum of kev_event_size() */
};
void kev_store_counts(struct kev_store *store, struct kev_store_counts *out);

/**
 * For a resync: whether namespaces are restricted, and those that are permitted; every event, then every pod,
 * then every namespace, in no order. The callbacks see a snapshot and are called without the store's lock;
 * what has none (NULL) costs nothing. A callback that returns non-zero ends the walk with that value.
 * @return 0, a callback's value, or -ENOMEM
 */
struct kev_store_visitor {
	int (*restricted)(void *context, bool restricted);
	int (*permitted)(void *context, struct kev_str namespace_);
	int (*event)(void *context, struct kev_event *event /* borrowed */);
	int (*pod)(void *context, struct kev_str namespace_, struct kev_str name, int64_t created);
	int (*namespace_)(void *context, struct kev_str name, int64_t created);
	void *context;
};
int kev_store_walk(struct kev_store *store, const struct kev_store_visitor *visitor);

#endif
