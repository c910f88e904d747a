#include <errno.h>

#include "kevfs/base/log.h"
#include "kevfs/cluster/status.h"

#include "watcher_internal.h"

/* What comes of a request: its head, the lines or pages behind it, its end. */

/* Lists whose bytes are a sign of life, whether or not one before them came as far: two in pages that expire,
 * one that is streamed, and one more. */
#define LISTS_ALIVE 4

/* Stop the request from inside one of its callbacks: the end comes through kev_watcher_on_done(). */
static int stop(struct kev_watcher *w, struct kev_reflector_input verdict)
{
	w->stopped = true;
	w->verdict = verdict;
	return -ECANCELED;
}

static struct kev_reflector_input garbage(struct kev_watcher *w)
{
	kev_watcher_explain_garbage(w);
	return (struct kev_reflector_input){.event = KEV_REFLECTOR_GARBAGE};
}

/* A list that is streamed may be silent no longer than another. */
static int64_t stream_deadline(const struct kev_watcher *w)
{
	return kev_watcher_now(w) + kev_watcher_idle_timeout(w) * KEV_NS_PER_SEC;
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
		w->deadline = kev_watcher_now(w) + AGAIN_TIMEOUT * KEV_NS_PER_SEC;
		return 0;
	}
	if (moved)
		return stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_MOVED});
	kev_watcher_tell_connected(w);
	return 0;
}

int kev_watcher_on_head(void *context, const struct kev_http_response *response)
{
	struct kev_watcher *w = context;

	kev_health_heard(w->config.health, w->health, 0, KEV_STR(""));
	w->status = response->status;
	if (w->watching && w->probing && w->status == 200)
		return stop(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_EOF});
	/* What a refusal has to say is short. */
	if (w->status != 200)
		w->deadline = kev_watcher_now(w) + HEAD_TIMEOUT * KEV_NS_PER_SEC;
	if (!w->watching || w->status != 200)
		return 0;
	if (!w->streaming)
		return start_following(w, response->connection);
	w->deadline = stream_deadline(w);
	return 0;
}

int kev_watcher_on_item(void *context, struct kev_str item)
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
		kev_watcher_tell_moved(w);
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
		kev_watcher_tell_connected(w);
	}
	w->progress.items += w->streaming ? 1 : 0;
	kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_LINE,
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
	w->progress.last_byte = kev_watcher_now(w);
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

int kev_watcher_on_body(void *context, struct kev_str piece)
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
	kev_watcher_explain_refusal(w, kev_buf_str(&status.message));
	kev_status_fini(&status);
	input.refreshed = response->status == 401 && kev_http_refresh_credential(w->config.http, &w->why);
	kev_watcher_end_request(w);
	kev_watcher_step(w, input);
}

/* What is there must not be taken for gone because something else was listed. */
static int check_list_kind(struct kev_watcher *w)
{
	struct kev_str kind = kev_items_kind(w->items);
	const char *const *known = kev_watcher_resources[w->config.kind].list_kinds;

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
		kev_watcher_end_request(w);
		kev_watcher_step(w, garbage(w));
		return;
	}
	/* The input borrows from the items, and what follows may begin another page. */
	w->items = NULL;
	kev_watcher_end_request(w);
	kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_PAGE,
				    .resource_version = kev_items_resource_version(items),
				    .continue_ = kev_items_continue(items)});
	kev_items_destroy(items);
}

void kev_watcher_on_done(void *context, const struct kev_http_result *result)
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
	kev_watcher_end_request(w);
	if (stopped)
		kev_watcher_step(w, verdict);
	else if (result->error)
		kev_watcher_step(w,
			(struct kev_reflector_input){.event = KEV_REFLECTOR_BROKEN, .error = result->error});
	else
		kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_EOF});
}
