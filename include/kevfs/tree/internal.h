#ifndef KEVFS_TREE_INTERNAL_H
#define KEVFS_TREE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/base/hash.h"
#include "kevfs/tree/inode.h"
#include "kevfs/tree/listing.h"
#include "kevfs/tree/log.h"
#include "kevfs/tree/members.h"
#include "kevfs/tree/resource_name.h"
#include "kevfs/tree/role.h"
#include "kevfs/tree/stale.h"
#include "kevfs/tree/tree.h"
#include "kevfs/tree/view.h"

/*
 * What the files of this room share: the bodies of the tree and its directories. Nobody outside includes it.
 *
 *   tree ── namespaces ── resources ── objects ── events
 *                    ├─── events, all of them: the same pointers again (the reference is this one's)
 *                    └─── views ── groups ── events: and again, while somebody uses them
 *
 * A directory "is there" (shown) when it has something to show; it lives on, not there, while the kernel
 * knows a number of it (known), and then comes back as the same thing: inode.h says why.
 */

/** A log's file in one of its forms. announced and published: publish.h. */
struct kev_log_form {
	uint64_t size, announced, published;
	int64_t mtime; /**< published */
};

/** One file of a log: events.log or events.log.1, and the same as .jsonl. */
struct kev_log_file {
	struct kev_tree *tree;
	struct kev_place home; /**< the directory */
	uint64_t serial;
	struct kev_record **records; /**< references */
	uint32_t count, room;
	struct kev_log_mark *marks; /**< every so many records, where they stand */
	struct kev_log_form forms[KEV_RECORD_FORMS];
	int64_t mtime; /**< of the last record */
	uint8_t known; /**< node numbers */
	bool detached; /**< in no directory any more */
	bool grows;    /**< is in the tree's list of what grows */
	LIST_ENTRY(kev_log_file) growing;
};

/** Is an object's log to be made of the events that it has? And which of its files: object_log.h. */
enum kev_log_implied {
	KEV_LOG_NOT_IMPLIED,
	KEV_LOG_IMPLIED_CURRENT,
	KEV_LOG_IMPLIED_PREVIOUS,
};

/** What only an object has that had events. */
struct kev_object_events {
	struct kev_listing listing;
	struct kev_log log;
	uint32_t told;  /**< of its events, by the first sync's records; ... */
	bool told_more; /**< ... and of others */
	enum kev_log_implied implied : 8;
};

/** /<namespace>/<resource>/<object>, and the events directory in it. 150,000 pods may have none: small. */
struct kev_object {
	struct kev_resource *resource;
	struct kev_object_events *events; /**< NULL until there was one, or its log was looked at */
	int64_t mtime;  /**< of the newest revision ever; before the first one, the pod's creationTimestamp */
	uint32_t known; /**< node numbers; of its log's files, too, any number of which may be open */
	bool pod : 1;   /**< the store has the pod */
	bool seen : 1;  /**< the pod was met by this resync */
	bool shown : 1; /**< there */
	bool revised : 1; /**< it had an event: mtime is a revision's */
	uint8_t len;
	char name[]; /**< the directory's, len bytes */
};

/** /<namespace>/<resource> */
struct kev_resource {
	struct kev_namespace *namespace_;
	struct kev_listing objects;
	uint32_t listed; /**< objects that are there */
	uint16_t known;
	bool shown;
	uint8_t len;
	char name[];
};

/** /.kevfs/namespaces/<namespace>/by-<kind>, and the link to it. */
struct kev_view {
	struct kev_namespace *namespace_;
	struct kev_groups *groups; /**< NULL: not sorted */
	enum kev_view_kind kind;
	bool known; /**< the directory has a node number */
};

/** What a view holds. */
struct kev_groups {
	struct kev_listing listing;
	uint32_t known; /**< groups that have a node number */
};

/** A group of a view's. */
struct kev_group {
	struct kev_view *view;
	struct kev_listing events; /**< the references are the namespace's */
	bool known;
	uint8_t len;
	char name[];
};

/** /<namespace>, and /.kevfs/namespaces/<namespace> */
struct kev_namespace {
	struct kev_tree *tree;
	struct kev_listing resources;
	struct kev_listing events; /**< all of them; owns their references */
	struct kev_log log;
	int64_t created;       /**< creationTimestamp; 0: unknown */
	int64_t born;          /**< the time of its link */
	int64_t control_mtime; /**< of /.kevfs/namespaces/<namespace> */
	struct kev_view views[KEV_VIEW_KINDS];
	uint32_t listed; /**< resources that are there */
	uint32_t known;  /**< those of its groups among them */
	bool present;    /**< the store has the namespace */
	bool seen;
	bool shown;
	bool permitted; /**< by name: access.h */
	bool met;       /**< it was permitted by this resync */
	bool hidden;    /**< the kernel was told that it may not be seen */
	uint8_t len;
	char name[];
};

struct kev_tree {
	const struct kev_clock *clock;
	struct kev_store *store;
	struct kev_tree_about about; /**< without a health there is no status */
	struct kev_hash_key key;     /**< of the tables of names */
	uint64_t generation;

	_Atomic uint64_t report_bytes; /**< of all reports that somebody has: report.h */

	/** The applier's own: one thread calls apply and resync. */
	struct kev_stale_batch *batch;
	struct {
		struct kev_record **items; /**< references */
		size_t count, room;
		uint64_t bytes;   /**< of these */
		uint64_t missing; /**< for which there was no room */
	} unlogged;               /**< what could not be appended to the logs: kev_logs_keep() */

	atomic_bool given_up; /**< kev_tree_give_up() */

	/** A leaf: no other lock is taken under it, and nothing waits. Protects everything below. */
	pthread_mutex_t lock;
	struct kev_inodes *inodes;
	struct kev_listing namespaces;
	int64_t control_mtime; /**< of /.kevfs */
	int64_t born;          /**< the time of the root's links */
	uint32_t listed;       /**< namespaces that are there */
	struct kev_resource_names *names;
	struct kev_buf scratch; /**< an escaped name, while it is compared or given */
	struct kev_tree_usage usage;
	struct kev_log log;
	uint64_t log_max;     /**< 0: no logs */
	uint64_t log_live;    /**< bytes of JSON that only the logs have, since they rotated */
	bool logged;          /**< the first sync is in the logs */
	int64_t logged_at;    /**< since then; its revisions are older */
	uint32_t first_until; /**< so many rotations take its revisions out of the logs again */
	uint32_t rotations;
	int64_t rotated;                   /**< the latest time at which they did */
	int64_t rotate_at;                 /**< monotonic ns: when all of them were due */
	uint64_t log_files;                /**< made so far */
	LIST_HEAD(, kev_log_file) growing; /**< what has more than is published */
	bool restricted;                   /**< only namespaces that are permitted may be seen */
	bool synced; /**< the first resync is complete: from now on membership changes have a moment */
};

#endif
