#ifndef KEVFS_FS_WATCH_COVERAGE_INTERNAL_H
#define KEVFS_FS_WATCH_COVERAGE_INTERNAL_H

#include "kevfs/base/defs.h"
#include "kevfs/watch/coverage.h"
#include "kevfs/watch/existence.h"
#include "kevfs/watch/watcher.h"

/* What coverage.c, which goes by what is permitted, shares with coverage_areas.c: which namespaces there are,
 * and are watched one by one. */

/* Watchers of the whole cluster: one a kind. */
#define KINDS (KEV_SCOPE_NAMESPACES + 1)

/* A namespace that is watched by itself. */
struct kev_area {
	struct kev_area *next;
	char *name;
	struct kev_watcher *events;
	struct kev_watcher *pods; /* NULL: not watched, or not by itself */
	struct kev_existence *existence;
	bool permitted;                  /* as the store was told */
	bool known;                      /* it is among the names that there are */
	struct kev_intake_relist relist; /* by which its events are lost */
};

struct kev_coverage {
	struct kev_coverage_config config;
	struct kev_watcher *whole[KINDS]; /* NULL with namespaces to keep to */
	struct kev_area *areas, *retired; /* retired: stopped, but the intake may still hold what is theirs */
	size_t count, pods;               /* areas, and those of them whose pods are watched */
	uint64_t looked; /* kev_store_namespace_changes() when the names were looked at last */
	bool spread;     /* namespaces are watched one by one */
	bool restricted; /* the store shows only what is permitted by name: then, or as the mount before had
			    it */
	bool look;       /* look at the names, whether or not they have changed */
	bool moved;      /* the server may have another history */
	bool started;
	bool spoken;      /* the first sync is over */
	size_t beyond;    /* namespaces that are not watched: there are more than max_watches */
	int64_t retry_at; /* monotonic ns; INT64_MAX: nothing has failed */
	int failure;      /* of the first sync, for good */
	struct kev_error why;
};

/* coverage.c */

/* @return new, or NULL on ENOMEM */
struct kev_watcher *kev_coverage_watcher(
	struct kev_coverage *c, enum kev_scope_kind kind, const char *namespace_, bool shown);
/* The first sync has failed for good. */
void kev_coverage_fail(struct kev_coverage *c, int result, const struct kev_error *why);

/* coverage_areas.c */

void kev_area_free(struct kev_area *area);
/* Let the store show what is in it, or not. @return 0 or -ENOMEM */
int kev_area_permit(struct kev_coverage *c, struct kev_area *area, bool permitted);
/* Its pods are not watched by itself any more. */
void kev_area_leave_pods(struct kev_coverage *c, struct kev_area *area);
/* Take it out, stopped. */
void kev_area_retire(struct kev_coverage *c, struct kev_area **at);
/* Free those that were, when the intake holds nothing of theirs any more. */
void kev_areas_free_retired(struct kev_coverage *c);
/* Let there be an area for each namespace that is known. @return 0 or -ENOMEM */
int kev_areas_look_around(struct kev_coverage *c);

#endif
