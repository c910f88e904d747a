#include "kevfs/watch/watcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/cluster/status.h"
#include "kevfs/event/items.h"
#include "kevfs/event/revision.h"
#include "kevfs/watch/ingest.h"
#include "kevfs/watch/lines.h"
#include "kevfs/watch/reflector.h"

/* A watch's headers come at once, although its lines may not. */
#define HEAD_TIMEOUT 20

/* A watch on whose connection nothing was heard for so long begins anew: its head is the sign of life. Where
 * there is one connection, the pulse sees to it that this never happens. */
#define QUIET_MAX (38 * KEV_NS_PER_SEC)

/* How long a watch may take to bring once more what the one before it has brought last. Nothing but that
 * keeps it waiting: it is the server's first line. */
#define AGAIN_TIMEOUT 5

/* Seconds without a byte that a list is given once there is something to show. */
#define LIST_PATIENCE 60

/* How much later than it should a watch may end. Nothing is heard of one that died silently. */
#define WATCH_SLACK 30

/* Lists whose bytes are a sign of life, whether or not one before them came as far: two in pages that expire,
 * one that is streamed, and one more. */
#define LISTS_ALIVE 4

/* A refusal is a Status of some hundred bytes; a proxy's may be a page. */
#define REFUSAL_MAX (64U << 10)

#define PATH_MAX_BYTES (64U << 10)

#define METADATA "g=meta.k8s.io;v=v1,application/json"

#define METADATA_LIST "PartialObjectMetadataList"

/* list_kinds: what a list of it calls itself; a server that has no metadata alone sends whole objects. */
static const struct resource {
	const char *name, *list_accept, *watch_accept, *list_kinds[2];
} resources[] = {
	[KEV_SCOPE_EVENTS] = {"events", "application/json", "application/json", {"EventList", "EventList"}},
	[KEV_SCOPE_PODS] = {"pods", "application/json;as=" METADATA_LIST ";" METADATA,
		"application/json;as=PartialObjectMetadata;" METADATA, {METADATA_LIST, "PodList"}},
	[KEV_SCOPE_NAMESPACES] = {"namespaces", "application/json;as=" METADATA_LIST ";" METADATA,
		"application/json;as=PartialObjectMetadata;" METADATA, {METADATA_LIST, "NamespaceList"}},
};

_Static_assert(KEV_HEALTH_RV_SIZE > KEV_REFLECTOR_RV_MAX, "the health has room for any resourceVersion");

struct kev_watcher {
	struct kev_watcher_config config;
	struct kev_health_record *health;
	struct kev_buf label; /* for messages: "events of namespace default" */
	struct kev_reflector *reflector;
	struct kev_ingest *ingest;
	struct kev_lines *lines;

	/* The request that is under way. */
	struct kev_http_transfer *transfer; /* NULL: none */
	bool watching;                      /* it is a watch */
	bool probing;                       /* it only asks whether it may */
	bool connected;                     /* … and what it said first is in the store */
	bool streaming;                     /* … and the list that it begins with is not complete */
	enum kev_ingest_place place;        /* … and what its next line is to be */
	bool lost;                          /* the end of that list could not be put */
	int status;                         /* of its head; 0 before */
	struct kev_items *items;            /* of a page */
	struct kev_buf refusal;             /* the body of an answer that is no 200 */
	bool stopped;                       /* we have ended it, for the reason in verdict */
	struct kev_reflector_input verdict;

	int64_t deadline;    /* of the wait, of a watch's head or its silence; INT64_MAX none */
	uint64_t newest;     /* connection that is known to lead to the history that we have */
	bool moved;          /* that of the watch before was newer */
	bool listed;         /* the watch that begins next follows a list */
	bool comparing;      /* a list that begins now is to show whether something was missed */
	struct kev_buf seen; /* the resourceVersion that the next list must not be behind; empty: any */
	uint32_t begun;      /* the relist under way */
	bool settled;        /* the first list was complete, or forbidden */
	bool complete;       /* a list was, and it was not forbidden since */
	bool quiet;          /* until the first sync is over, its result is what is said */
	bool denied;         /* the server forbids it, and it is done without */
	bool troubled;       /* the log says that it does not work */
	struct kev_error why;
	struct kev_watcher_progress progress;
	uint64_t received, most; /* bytes of this list; of the longest so far */
	unsigned begun_lists;
};

static void step(struct kev_watcher *w, struct kev_reflector_input input);

static int64_t now(const struct kev_watcher *w)
{
	return kev_clock_monotonic(w->config.clock);
}

static const char *label(const struct kev_watcher *w)
{
	return w->label.data;
}

struct kev_watcher *kev_watcher_create(const struct kev_watcher_config *config)
{
	const struct kev_reflector_config reflector = {
		.cached = config->kind != KEV_SCOPE_EVENTS && !config->current,
		.optional = config->kind != KEV_SCOPE_EVENTS,
		.shown = config->shown,
		.patient = config->patient,
		.hurried = config->hurried,
		.random = config->random,
		.context = config->context};
	struct kev_watcher *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->config = *config;
	w->quiet = config->quiet;
	w->deadline = INT64_MAX;
	kev_buf_init(&w->label, PATH_MAX_BYTES);
	kev_buf_init(&w->refusal, REFUSAL_MAX);
	kev_buf_init(&w->seen, KEV_REFLECTOR_RV_MAX);
	kev_buf_append_c(&w->label, resources[config->kind].name);
	if (config->namespace_)
		kev_buf_printf(&w->label, " of namespace %s", config->namespace_);
	w->reflector = kev_reflector_create(&reflector);
	w->lines = kev_lines_create(KEV_LINES_MAX);
	if (kev_buf_cstr(&w->label) && !w->label.error)
		w->ingest = kev_ingest_create(
			config->store, config->intake, config->kind, config->clock, label(w));
	if (w->reflector && w->lines && w->ingest)
		w->health = kev_health_add(config->health, config->kind, config->namespace_);
	if (w->health)
		return w;
	kev_watcher_destroy(w);
	return NULL;
}

/* Leave the request that is under way. */
static void end_request(struct kev_watcher *w)
{
	if (w->transfer)
		kev_http_cancel(w->config.http, w->transfer);
	w->transfer = NULL;
	kev_items_destroy(w->items);
	w->items = NULL;
	if (w->connected)
		kev_health_ended(w->config.health, w->health);
	w->connected = false;
	w->stopped = false;
	w->lost = false;
	kev_lines_reset(w->lines);
	kev_buf_fini(&w->refusal);
}

void kev_watcher_destroy(struct kev_watcher *w)
{
	if (!w)
		return;
	if (w->lines)
		end_request(w);
	kev_health_remove(w->config.health, w->health);
	kev_lines_destroy(w->lines);
	kev_reflector_destroy(w->reflector);
	kev_ingest_destroy(w->ingest);
	kev_buf_fini(&w->seen);
	kev_buf_fini(&w->label);
	free(w);
}

/* Stop the request from inside one of its callbacks: the end comes through on_done(). */
static int stop(struct kev_watcher *w, struct kev_reflector_input verdict)
{
	w->stopped = true;
	w->verdict = verdict;
	return -ECANCELED;
}

/* Put the place before what w->why says of an answer that makes no sense. */
static void explain_garbage(struct kev_watcher *w)
{
	kev_error_prefix(&w->why, "%s: %s %s: the answer is not a Kubernetes API server's", w->config.server,
		w->watching ? "watching" : "listing", label(w));
}

static struct kev_reflector_input garbage(struct kev_watcher *w)
{
	explain_garbage(w);
	return (struct kev_reflector_input){.event = KEV_REFLECTOR_GARBAGE};
}

static void tell_connected(struct kev_watcher *w)
{
	w->connected = true;
	w->deadline = now(w) + QUIET_MAX;
	kev_health_connected(w->config.health, w->health);
	if (w->troubled)
		kev_log_warning("%s: in sync with the server again", label(w));
	w->troubled = false;
}

/* Only the first sync may be impatient: later nobody waits, and the server gives a list a minute. */
static int idle_timeout(const struct kev_watcher *w)
{
	return w->settled && w->config.idle_timeout < LIST_PATIENCE ? LIST_PATIENCE : w->config.idle_timeout;
}

/* A list that is streamed may be silent no longer than another. */
static int64_t stream_deadline(const struct kev_watcher *w)
{
	return now(w) + idle_timeout(w) * KEV_NS_PER_SEC;
}

/* What others know of the server may be as wrong. */
static void tell_moved(struct kev_watcher *w)
{
	if (w->config.moved)
		w->config.moved(w->config.context, w);
}

/* Is the watch on a connection that was made since, perhaps to another server? Where every request has one of
 * its own, that says nothing. */
static bool has_moved(struct kev_watcher *w, uint64_t connection)
{
	bool newer = connection > w->newest;
	bool moved = newer && !w->moved;

	w->moved = newer;
	return moved;
}

/* It follows the server from here on. */
static int start_following(struct kev_watcher *w, uint64_t connection)
{
	bool moved = has_moved(w, connection);

	w->listed = false;
	if (w->place == KEV_INGEST_AGAIN) {
		w->deadline = now(w) + AGAIN_TIMEOUT * KEV_NS_PER_SEC;
		return 0;
	}
	if (moved)
		return stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_MOVED});
	tell_connected(w);
	return 0;
}

static int on_head(void *context, const struct kev_http_response *response)
{
	struct kev_watcher *w = context;

	kev_health_heard(w->config.health, w->health, 0, KEV_STR(""));
	w->status = response->status;
	if (w->watching && w->probing && w->status == 200)
		return stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_EOF});
	/* What a refusal has to say is short. */
	if (w->status != 200)
		w->deadline = now(w) + HEAD_TIMEOUT * KEV_NS_PER_SEC;
	if (!w->watching || w->status != 200)
		return 0;
	if (!w->streaming)
		return start_following(w, response->connection);
	w->deadline = stream_deadline(w);
	return 0;
}

static int on_item(void *context, struct kev_str item)
{
	struct kev_watcher *w = context;

	if (w->probing)
		return 0;
	w->progress.items++;
	return kev_ingest_item(w->ingest, item);
}

/* An ERROR in the stream says what an HTTP status would say. */
static int on_error_line(struct kev_watcher *w, struct kev_str object)
{
	struct kev_reflector_input input = {.event = KEV_REFLECTOR_STATUS, .retry_after = -1};
	struct kev_status status;

	kev_status_init(&status);
	if (kev_status_read(&status, object) == 0) {
		input.status = status.code;
		input.retry_after = status.retry_after;
		input.rv_too_large = status.rv_too_large;
		kev_error_set(&w->why, "%d: %.*s", status.code, (int)status.message.len,
			status.message.data ? status.message.data : "");
	} else {
		input.event = KEV_REFLECTOR_LOST;
	}
	kev_status_fini(&status);
	return stop(w, input);
}

static int on_line(void *context, struct kev_str text)
{
	struct kev_watcher *w = context;
	struct kev_ingest_line line;
	int r = kev_ingest_line(w->ingest, text, w->place, &line, &w->why);

	if (r == -ESTALE) {
		tell_moved(w);
		return stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_MOVED});
	}
	if (r == -ENOMEM)
		return stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_LOST});
	if (r)
		return stop(w, garbage(w));
	if (line.type == KEV_ENVELOPE_ERROR)
		return on_error_line(w, line.object);
	if (w->place == KEV_INGEST_AGAIN && line.change) {
		w->place = KEV_INGEST_LIVE;
		tell_connected(w);
	}
	w->progress.items += w->streaming ? 1 : 0;
	step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_LINE,
			.resource_version = line.resource_version,
			.initial_end = line.initial_end});
	return w->lost ? stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_LOST}) : 0;
}

/* What was there before is no progress: a list that begins anew for ever must not look alive. */
static void note_progress(struct kev_watcher *w, size_t len)
{
	w->received += len;
	if (w->received > w->most)
		w->most = w->received;
	else if (w->begun_lists > LISTS_ALIVE)
		return;
	w->progress.last_byte = now(w);
}

static int on_watch_piece(struct kev_watcher *w, struct kev_str piece)
{
	uint64_t skipped = kev_lines_skipped(w->lines);
	int r;

	if (w->streaming) {
		note_progress(w, piece.len);
		w->deadline = stream_deadline(w);
	}
	r = kev_lines_feed(w->lines, piece, on_line, w);

	kev_ingest_skip(w->ingest, kev_lines_skipped(w->lines) - skipped, "a line that is too long");
	/* Nobody knows what it was about, and its older revision must not stand as if it were the newest. */
	if (kev_lines_skipped(w->lines) != skipped && !w->stopped) {
		kev_error_set(&w->why, "a line that is too long");
		r = stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_GARBAGE});
	}
	if (r == -ENOMEM && !w->stopped)
		r = stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_LOST});
	return r;
}

static int on_page_piece(struct kev_watcher *w, struct kev_str piece)
{
	size_t oversized = kev_items_oversized(w->items);
	int r;

	r = kev_items_feed(w->items, piece, &w->why);
	note_progress(w, piece.len);

	kev_ingest_skip(w->ingest, kev_items_oversized(w->items) - oversized, "an object that is too large");
	if (r == -ENOMEM)
		return stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_LOST});
	if (r)
		return stop(w, garbage(w));
	w->progress.remaining = w->probing ? 0 : kev_items_remaining(w->items);
	return 0;
}

static int on_body(void *context, struct kev_str piece)
{
	struct kev_watcher *w = context;
	int r;

	if (w->status != 200)
		/* The first bytes say what is wrong; the rest may be missing. */
		r = kev_buf_append_str(&w->refusal, piece) ? -ECANCELED : 0;
	else
		r = w->watching ? on_watch_piece(w, piece) : on_page_piece(w, piece);
	kev_health_heard(
		w->config.health, w->health, piece.len, kev_reflector_resource_version(w->reflector));
	return r;
}

/* "User "x" cannot list resource "events" …": the server's words, without what we say ourselves. */
static void explain_denial(struct kev_watcher *w, struct kev_str message)
{
	static const char infix[] = " is forbidden: ";
	const char *at = message.data ? memmem(message.data, message.len, infix, sizeof(infix) - 1) : NULL;

	if (at) {
		message.len -= (size_t)(at - message.data) + sizeof(infix) - 1;
		message.data = at + sizeof(infix) - 1;
	}
	kev_error_set(&w->why, "%s may not be %s: %.*s", label(w), w->watching ? "watched" : "listed",
		(int)message.len, message.data ? message.data : "");
}

static void explain_refusal(struct kev_watcher *w, struct kev_str message)
{
	int len = (int)message.len;
	const char *text = message.data ? message.data : "";

	if (w->status == 403)
		explain_denial(w, message);
	else if (w->status == 401)
		kev_error_set(
			&w->why, "%s does not accept the credential: 401: %.*s", w->config.server, len, text);
	else
		kev_error_set(&w->why, "%s: %s %s: %d: %.*s", w->config.server,
			w->watching ? "watching" : "listing", label(w), w->status, len, text);
}

static void on_refusal(struct kev_watcher *w, const struct kev_http_response *response)
{
	struct kev_reflector_input input = {.event = KEV_REFLECTOR_STATUS,
		.status = response->status,
		.retry_after = response->retry_after};
	struct kev_status status;

	kev_status_init(&status);
	if (kev_status_read(&status, kev_buf_str(&w->refusal)) == 0) {
		input.rv_too_large = status.rv_too_large;
		if (input.retry_after < 0)
			input.retry_after = status.retry_after;
	}
	explain_refusal(w, kev_buf_str(&status.message));
	kev_status_fini(&status);
	input.refreshed = response->status == 401 && kev_http_refresh_credential(w->config.http, &w->why);
	end_request(w);
	step(w, input);
}

/* What is there must not be taken for gone because something else was listed. */
static int check_list_kind(struct kev_watcher *w)
{
	struct kev_str kind = kev_items_kind(w->items);
	const char *const *known = resources[w->config.kind].list_kinds;

	if (kev_str_eq(kind, kev_str_c(known[0])) || kev_str_eq(kind, kev_str_c(known[1])))
		return 0;
	kev_error_set(&w->why, "a list of the kind \"%.*s\" where %s was expected", (int)kind.len,
		kind.data ? kind.data : "", known[0]);
	return -EINVAL;
}

static void on_page_end(struct kev_watcher *w)
{
	struct kev_items *items = w->items;

	if (kev_items_finish(items, &w->why) != 0 || check_list_kind(w) != 0) {
		end_request(w);
		step(w, garbage(w));
		return;
	}
	/* The input borrows from the items, and what follows may begin another page. */
	w->items = NULL;
	end_request(w);
	step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_PAGE,
			.resource_version = kev_items_resource_version(items),
			.continue_ = kev_items_continue(items)});
	kev_items_destroy(items);
}

static void on_done(void *context, const struct kev_http_result *result)
{
	struct kev_watcher *w = context;
	struct kev_reflector_input verdict = w->verdict;
	bool stopped = w->stopped;

	w->transfer = NULL;
	if (!stopped && result->response.status && result->response.status != 200 &&
		(result->error == 0 || result->error == -ECANCELED)) {
		on_refusal(w, &result->response);
		return;
	}
	if (!stopped && result->error == 0 && !w->watching) {
		on_page_end(w);
		return;
	}
	if (!stopped && result->error)
		w->why = *result->reason;
	end_request(w);
	if (stopped)
		step(w, verdict);
	else if (result->error)
		step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_BROKEN, .error = result->error});
	else
		step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_EOF});
}

static int append_path(const struct kev_watcher *w, struct kev_buf *path)
{
	kev_buf_append_c(path, "/api/v1/");
	if (w->config.namespace_) {
		kev_buf_append_c(path, "namespaces/");
		(void)kev_http_append_query(path, kev_str_c(w->config.namespace_));
		kev_buf_append_char(path, '/');
	}
	return kev_buf_append_c(path, resources[w->config.kind].name);
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
	const struct resource *resource = &resources[w->config.kind];
	struct kev_http_request request = {
		.accept = w->watching ? resource->watch_accept : resource->list_accept,
		/* A server may send a watch as several gzip members, which libcurl does not read. */
		.gzip = !w->watching,
		.idle_timeout = w->watching ? 0 : idle_timeout(w),
		.total_timeout = w->watching ? (int)timeout + WATCH_SLACK : 0,
		.head = on_head,
		.body = on_body,
		.done = on_done,
		.context = w};

	append_parameter(path, "fieldSelector", kev_str_c(w->config.field_selector));
	request.path = kev_buf_cstr(path);
	if (path->error || !request.path)
		return path->error ? path->error : -ENOMEM;
	w->status = 0;
	if (!w->watching) {
		w->items = kev_items_create(on_item, w);
		if (!w->items)
			return -ENOMEM;
	}
	kev_log_debug("%s: GET %s", label(w), request.path);
	return kev_http_start(w->config.http, &request, &w->transfer);
}

static int start_list(struct kev_watcher *w, const struct kev_reflector_action *action)
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

static int start_watch(struct kev_watcher *w, const struct kev_reflector_action *action)
{
	struct kev_buf path;
	int r;

	kev_buf_init(&path, PATH_MAX_BYTES);
	w->watching = true;
	w->probing = action->probe;
	w->deadline = now(w) + HEAD_TIMEOUT * KEV_NS_PER_SEC;
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

static int relist_begin(struct kev_watcher *w)
{
	w->progress.items = 0;
	w->progress.remaining = 0;
	w->received = 0;
	w->begun_lists++;
	kev_ingest_begin(w->ingest);
	if (w->comparing)
		kev_health_comparing(w->config.health, w->health);
	else
		kev_health_listing(w->config.health, w->health, w->settled);
	if (w->config.kind == KEV_SCOPE_EVENTS)
		return kev_intake_relist_begin(w->config.intake, &w->begun);
	w->begun = kev_store_relist_begin(w->config.store);
	return 0;
}

static int relist_end(struct kev_watcher *w)
{
	struct kev_str namespace_ = kev_str_c(w->config.namespace_);

	w->progress.remaining = 0;
	kev_log_info("%s: %zu listed", label(w), w->progress.items);
	if (w->config.kind == KEV_SCOPE_EVENTS)
		return kev_intake_relist_end(w->config.intake, namespace_, &w->begun);
	kev_store_relist_end(w->config.store, w->config.kind, namespace_, w->begun);
	return 0;
}

/* @param level  that a namespace may not be seen is no news where it never could */
static void log_denial(struct kev_watcher *w, enum kev_log_level level)
{
	const char *consequence = "only those that events mention are shown";

	if (w->config.kind == KEV_SCOPE_EVENTS)
		consequence = w->config.namespace_ ? "its directory says so"
						   : "the namespaces are watched one by one";
	kev_log(level, "%s; %s", w->why.text, consequence);
	w->troubled = level == KEV_LOG_WARNING;
}

static enum kev_log_level denial_level(const struct kev_watcher *w)
{
	bool known = w->complete || w->config.shown || !w->config.namespace_;

	return known ? KEV_LOG_WARNING : KEV_LOG_INFO;
}

static void tell_failed(struct kev_watcher *w, const struct kev_reflector_input *input)
{
	static const struct kev_error no_memory = {"out of memory"};

	kev_health_failed(
		w->config.health, w->health, input->event == KEV_REFLECTOR_LOST ? &no_memory : &w->why);
}

static const char *why_listed(enum kev_reflector_event event)
{
	if (event == KEV_REFLECTOR_MOVED)
		return "the server may be another one";
	return event == KEV_REFLECTOR_SILENT ? "what came last does not come again"
					     : "the watch has ended too early";
}

/* The log tells once that something does not work, and once that it works again; what lies in between, only
 * who asks for it. */
static void log_failure(struct kev_watcher *w, const struct kev_reflector_input *input,
	const struct kev_reflector_action *action)
{
	enum kev_log_level level = w->troubled || w->quiet || w->denied ? KEV_LOG_INFO : KEV_LOG_WARNING;

	if (action->denied)
		kev_health_denied(w->config.health, w->health, &w->why);
	else if (action->next == KEV_REFLECTOR_WAIT)
		tell_failed(w, input);
	if (action->denied) {
		if (!w->quiet)
			log_denial(w, denial_level(w));
	} else if (action->next == KEV_REFLECTOR_WAIT) {
		kev_log(level, "%s; next try in %.1f s",
			input->event == KEV_REFLECTOR_LOST ? "out of memory" : w->why.text,
			(double)action->wait / KEV_NS_PER_SEC);
		w->troubled = w->troubled || (!w->quiet && !w->denied);
	} else if (action->next == KEV_REFLECTOR_LIST && w->watching && !w->probing &&
		   input->event != KEV_REFLECTOR_TIMER) {
		kev_log_info("%s: %s; listing anew", label(w), why_listed(input->event));
	}
}

void kev_watcher_speak(struct kev_watcher *w, bool denial)
{
	if (w->quiet && w->denied)
		log_denial(w, denial ? KEV_LOG_WARNING : KEV_LOG_INFO);
	w->quiet = false;
}

/* Keep to what the server permits. */
static void note_access(struct kev_watcher *w, const struct kev_reflector_action *action)
{
	if (action->denied) {
		/* Of Events the store keeps what it has. */
		if (w->config.kind == KEV_SCOPE_PODS)
			kev_store_forget_pods(w->config.store, kev_str_c(w->config.namespace_));
		w->denied = w->settled = true;
		w->complete = false;
	} else if (action->granted) {
		w->denied = false;
	} else if (action->end) {
		w->complete = w->settled = true;
	}
}

static int start_request(struct kev_watcher *w, const struct kev_reflector_action *action)
{
	int r;

	r = action->begin ? relist_begin(w) : 0;
	if (r)
		return r;
	return action->next == KEV_REFLECTOR_WATCH ? start_watch(w, action) : start_list(w, action);
}

/* What the first list has failed with. */
static int result_of(const struct kev_reflector_input *input)
{
	if (input->event == KEV_REFLECTOR_BROKEN)
		return input->error;
	if (input->event == KEV_REFLECTOR_STATUS && (input->status == 401 || input->status == 403))
		return -EACCES;
	if (input->event == KEV_REFLECTOR_STATUS && input->status == 404)
		return -ENOENT;
	return -EPROTO;
}

/* Is the list that begins now one that is not known to be needed? Where nothing happens for longer than the
 * server keeps its history, the last line cannot come again. */
static bool only_compares(const struct kev_watcher *w, const struct kev_reflector_input *input)
{
	bool compacted = input->event == KEV_REFLECTOR_STATUS && input->status == 410 && w->watching &&
			 w->place == KEV_INGEST_AGAIN;

	return w->settled &&
	       (input->event == KEV_REFLECTOR_MOVED || input->event == KEV_REFLECTOR_SILENT || compacted);
}

/* What was last seen did not come again. Only a server with another history is behind that. */
static void hold_against_seen(struct kev_watcher *w)
{
	if (kev_revision_goes_back(kev_buf_str(&w->seen), kev_reflector_resource_version(w->reflector)))
		tell_moved(w);
	kev_buf_clear(&w->seen);
}

static void act(struct kev_watcher *w, const struct kev_reflector_input *input,
	const struct kev_reflector_action *action)
{
	int r = action->end ? relist_end(w) : 0;

	w->deadline = INT64_MAX;
	w->comparing = only_compares(w, input);
	if (action->end) {
		hold_against_seen(w);
		w->newest = kev_http_newest(w->config.http);
		w->listed = !w->streaming;
	}
	if (action->end && w->streaming) {
		w->place = KEV_INGEST_LIVE;
		tell_connected(w);
	}
	w->streaming = false;
	log_failure(w, input, action);
	note_access(w, action);
	switch (action->next) {
	case KEV_REFLECTOR_GO_ON:
		w->lost = r != 0;
		return;
	case KEV_REFLECTOR_LIST:
	case KEV_REFLECTOR_WATCH:
		if (r == 0)
			r = start_request(w, action);
		if (r) {
			end_request(w);
			step(w, (struct kev_reflector_input){
					.event = r == -EINVAL ? KEV_REFLECTOR_MOVED : KEV_REFLECTOR_LOST});
		}
		return;
	case KEV_REFLECTOR_WAIT:
		w->deadline = input->now + action->wait;
		return;
	case KEV_REFLECTOR_FAIL:
		w->config.failed(w->config.context, w, result_of(input), &w->why);
		return;
	}
}

/* Tell the reflector, and do what it says. The request that the input is about has ended, but for a LINE. */
static void step(struct kev_watcher *w, struct kev_reflector_input input)
{
	struct kev_reflector_action action;

	input.now = now(w);
	kev_reflector_step(w->reflector, &input, &action);
	if (input.event == KEV_REFLECTOR_PAGE &&
		(action.next == KEV_REFLECTOR_FAIL || action.next == KEV_REFLECTOR_WAIT)) {
		kev_error_set(&w->why, "a list without a usable resourceVersion or continue token");
		explain_garbage(w);
	}
	if (action.next != KEV_REFLECTOR_GO_ON || action.end)
		act(w, &input, &action);
}

void kev_watcher_start(struct kev_watcher *w)
{
	step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_START});
}

int64_t kev_watcher_deadline(const struct kev_watcher *w)
{
	return w->deadline;
}

/* A watch may be silent, but not the connection that it is on. */
static void check_quiet(struct kev_watcher *w, int64_t at)
{
	w->deadline = kev_http_heard(w->config.http, w->transfer) + QUIET_MAX;
	if (at < w->deadline)
		return;
	kev_log_info("%s: nothing is heard of the server; watching anew", label(w));
	end_request(w);
	step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_EOF});
}

/* A server that is busy is as silent as one with another history: the list tells which. */
static void on_silence(struct kev_watcher *w)
{
	kev_buf_clear(&w->seen);
	/* Without memory nobody else is told. */
	(void)kev_buf_append_str(&w->seen, kev_reflector_resource_version(w->reflector));
	kev_error_set(&w->why, "%s: watching %s: what came last has not come again in %d s", w->config.server,
		label(w), AGAIN_TIMEOUT);
	end_request(w);
	step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_SILENT});
}

void kev_watcher_tick(struct kev_watcher *w, int64_t at)
{
	/* It is not the server who lets us wait. */
	if (w->deadline < INT64_MAX && w->transfer && kev_http_is_waiting(w->config.http, w->transfer))
		w->deadline = at + HEAD_TIMEOUT * KEV_NS_PER_SEC;
	if (at < w->deadline)
		return;
	if (w->connected) {
		check_quiet(w, at);
		return;
	}
	w->deadline = INT64_MAX;
	if (!w->transfer) {
		step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_TIMER});
		return;
	}
	if (w->place == KEV_INGEST_AGAIN && w->watching && w->status == 200) {
		on_silence(w);
		return;
	}
	kev_http_give_up(w->config.http, w->transfer);
	w->transfer = NULL;
	end_request(w);
	kev_error_set(&w->why, "%s: no whole answer for %s in %d s", w->config.server, label(w),
		w->streaming && w->status == 200 ? idle_timeout(w) : HEAD_TIMEOUT);
	step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_BROKEN, .error = -ETIMEDOUT});
}

void kev_watcher_relist(struct kev_watcher *w)
{
	end_request(w);
	step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_LOST});
}

void kev_watcher_move(struct kev_watcher *w)
{
	end_request(w);
	step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_MOVED});
}

void kev_watcher_stop(struct kev_watcher *w)
{
	end_request(w);
	kev_health_remove(w->config.health, w->health);
	w->health = NULL;
	w->deadline = INT64_MAX;
}

bool kev_watcher_denied(const struct kev_watcher *w)
{
	return w->denied;
}

bool kev_watcher_listed(const struct kev_watcher *w)
{
	return w->complete;
}

bool kev_watcher_settled(const struct kev_watcher *w)
{
	return w->settled;
}

enum kev_scope_kind kev_watcher_kind(const struct kev_watcher *w)
{
	return w->config.kind;
}

void kev_watcher_progress(const struct kev_watcher *w, struct kev_watcher_progress *out)
{
	*out = w->progress;
}

const struct kev_error *kev_watcher_why(const struct kev_watcher *w)
{
	return &w->why;
}
