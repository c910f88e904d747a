#ifndef KEVFS_CLUSTER_DISCOVERY_H
#define KEVFS_CLUSTER_DISCOVERY_H

#include "kevfs/base/error.h"
#include "kevfs/base/str.h"
#include "kevfs/cluster/http.h"

/**
 * API discovery: which plural each (group, kind) has, with aggregated discovery (v2, else v2beta1), else the
 * legacy lists. It says what it found through a callback, for the room above to keep.
 */
struct kev_discovery;

struct kev_discovery_callbacks {
	/** A top-level resource (no subresource): core's first, each group's preferred version first. All
	 * strings are foreign. An error (-errno) ends the discovery with it. Must not destroy the discovery.
	 */
	int (*resource)(void *context, struct kev_str group, struct kev_str kind, struct kev_str plural);
	/**
	 * The end, exactly once (not after destroy). result 0: all was given, but for groups whose own server
	 * does not answer; -EALREADY: nothing changed since the last time (ETag), nothing was given; else as
	 * kev_http_result.error, or -EACCES (401 or 403), -EAGAIN (429, 5xx), -EPROTO (an answer that makes
	 * no sense), or what resource() said. May start or destroy the discovery. The error is set where
	 * result is not 0 and not -EALREADY.
	 */
	void (*done)(void *context, int result, const struct kev_error *error);
	void *context;
};

/** http is borrowed; must outlive it. @return new, or NULL on ENOMEM */
struct kev_discovery *kev_discovery_create(
	struct kev_http *http, const struct kev_discovery_callbacks *callbacks);
void kev_discovery_destroy(struct kev_discovery *discovery);

/** Ask the server; callbacks run inside kev_http_run(). Nothing happens while one is under way. @return 0 or
 * -ENOMEM */
int kev_discovery_start(struct kev_discovery *discovery) KEV_MUST_USE;

#endif
