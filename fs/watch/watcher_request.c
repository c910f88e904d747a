#include <errno.h>

#include "kevfs/base/log.h"

#include "watcher_internal.h"

/* What is asked for. */

/* How much later than it should a watch may end. Nothing is heard of one that died silently. */
#define WATCH_SLACK 30

#define METADATA "g=meta.k8s.io;v=v1,application/json"

#define METADATA_LIST "PartialObjectMetadataList"

/* list_kinds: what a list of it calls itself; a server that has no metadata alone sends whole objects. */
const struct kev_watcher_resource kev_watcher_resources[] = {
	[KEV_SCOPE_EVENTS] = {"events", "application/json", "application/json", {"EventList", "EventList"}},
	[KEV_SCOPE_PODS] = {"pods", "application/json;as=" METADATA_LIST ";" METADATA,
		"application/json;as=PartialObjectMetadata;" METADATA, {METADATA_LIST, "PodList"}},
	[KEV_SCOPE_NAMESPACES] = {"namespaces", "application/json;as=" METADATA_LIST ";" METADATA,
		"application/json;as=PartialObjectMetadata;" METADATA, {METADATA_LIST, "NamespaceList"}},
};

static int append_path(const struct kev_watcher *w, struct kev_buf *path)
{
	kev_buf_append_c(path, "/api/v1/");
	if (w->config.namespace_) {
		kev_buf_append_c(path, "namespaces/");
		(void)kev_http_append_query(path, kev_str_c(w->config.namespace_));
		kev_buf_append_char(path, '/');
	}
	return kev_buf_append_c(path, kev_watcher_resources[w->config.kind].name);
}

static int append_parameter(struct kev_buf *path, const char *name, struct kev_str value)
{
	if (value.len == 0)
		return path->error;
	kev_buf_printf(path, "&%s=", name);
	return kev_http_append_query(path, value);
}

/* @return 0, -EMSGSIZE or -ENOMEM */
static int send(struct kev_watcher *w, struct kev_buf *path, unsigned timeout)
{
	const struct kev_watcher_resource *resource = &kev_watcher_resources[w->config.kind];
	struct kev_http_request request = {
		.accept = w->watching ? resource->watch_accept : resource->list_accept,
		/* A server may send a watch as several gzip members, which libcurl does not read. */
		.gzip = !w->watching,
		.idle_timeout = w->watching ? 0 : kev_watcher_idle_timeout(w),
		.total_timeout = w->watching ? (int)timeout + WATCH_SLACK : 0,
		.head = kev_watcher_on_head,
		.body = kev_watcher_on_body,
		.done = kev_watcher_on_done,
		.context = w};

	append_parameter(path, "fieldSelector", kev_str_c(w->config.field_selector));
	request.path = kev_buf_cstr(path);
	if (path->error || !request.path)
		return path->error ? path->error : -ENOMEM;
	w->status = 0;
	if (!w->watching) {
		w->items = kev_items_create(kev_watcher_on_item, w);
		if (!w->items)
			return -ENOMEM;
	}
	kev_log_debug("%s: GET %s", kev_watcher_label(w), request.path);
	return kev_http_start(w->config.http, &request, &w->transfer);
}

int kev_watcher_ask_list(struct kev_watcher *w, const struct kev_reflector_action *action)
{
	struct kev_buf path;
	int r;

	kev_buf_init(&path, PATH_MAX_BYTES);
	w->watching = false;
	w->probing = action->probe;
	if (!action->begin)
		kev_health_listing(w->config.health, w->health, false);
	append_path(w, &path);
	kev_buf_printf(&path, "?limit=%u", action->limit);
	append_parameter(&path, "continue", action->continue_);
	append_parameter(&path, "resourceVersion", action->resource_version);
	r = send(w, &path, 0);
	kev_buf_fini(&path);
	return r;
}

/* Where a watch begins. A server that ended the one before may have been replaced by one with another
 * history, which takes our resourceVersion all the same: so its last line is to come again. Pods and
 * namespaces have bookmarks, which do not come again. */
static int append_start(struct kev_watcher *w, struct kev_buf *path, struct kev_str resource_version)
{
	if (w->listed || w->probing || w->config.kind != KEV_SCOPE_EVENTS)
		return append_parameter(path, "resourceVersion", resource_version);
	w->place = KEV_INGEST_AGAIN;
	kev_buf_append_c(path, "&resourceVersion=");
	return kev_ingest_append_start(w->ingest, path);
}

int kev_watcher_ask_watch(struct kev_watcher *w, const struct kev_reflector_action *action)
{
	struct kev_buf path;
	int r;

	kev_buf_init(&path, PATH_MAX_BYTES);
	w->watching = true;
	w->probing = action->probe;
	w->deadline = kev_watcher_now(w) + HEAD_TIMEOUT * KEV_NS_PER_SEC;
	append_path(w, &path);
	kev_buf_append_c(&path, "?watch=1&allowWatchBookmarks=true");
	kev_buf_printf(&path, "&timeoutSeconds=%u", action->timeout);
	w->streaming = action->begin;
	w->place = action->begin ? KEV_INGEST_LISTED : KEV_INGEST_LIVE;
	if (action->begin)
		kev_buf_append_c(&path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
	else if (!action->probe)
		kev_health_connecting(w->config.health, w->health, action->resource_version);
	r = action->begin ? 0 : append_start(w, &path, action->resource_version);
	if (r == 0)
		r = send(w, &path, action->timeout);
	kev_buf_fini(&path);
	return r;
}
