#include "kevfs/watch/watcher.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/log.h"
#include "kevfs/event/revision.h"

#include "watcher_internal.h"

/* A watch on whose connection nothing was heard for so long begins anew: its head is the sign of life. Where
 * there is one connection, the pulse sees to it that this never happens. */
#define QUIET_MAX (38 * KEV_NS_PER_SEC)

/* Seconds without a byte that a list is given once there is something to show. */
#define LIST_PATIENCE 60

/* A refusal is a Status of some hundred bytes; a proxy's may be a page. */
#define REFUSAL_MAX (64U << 10)

_Static_assert(KEV_HEALTH_RV_SIZE > KEV_REFLECTOR_RV_MAX, "the health has room for any resourceVersion");

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
	kev_buf_append_c(&w->label, kev_watcher_resources[config->kind].name);
	if (config->namespace_)
		kev_buf_printf(&w->label, " of namespace %s", config->namespace_);
	w->reflector = kev_reflector_create(&reflector);
	w->lines = kev_lines_create(KEV_LINES_MAX);
	if (kev_buf_cstr(&w->label) && !w->label.error)
		w->ingest = kev_ingest_create(
			config->store, config->intake, config->kind, config->clock, kev_watcher_label(w));
	if (w->reflector && w->lines && w->ingest)
		w->health = kev_health_add(config->health, config->kind, config->namespace_);
	if (w->health)
		return w;
	kev_watcher_destroy(w);
	return NULL;
}

/* Leave the request that is under way. */
void kev_watcher_end_request(struct kev_watcher *w)
{
	if (w->transfer)
		kev_http_cancel(w->config.http, w->transfer);
	w->transfer = NULL;
	kev_items_destroy(w->items);
	w->items = NULL;
	if (w->connected)
		kev_health_ended(w->config.health, w->health);
	w->connected = false;
	w->untold = false;
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
		kev_watcher_end_request(w);
	kev_health_remove(w->config.health, w->health);
	kev_lines_destroy(w->lines);
	kev_reflector_destroy(w->reflector);
	kev_ingest_destroy(w->ingest);
	kev_buf_fini(&w->seen);
	kev_buf_fini(&w->label);
	free(w);
}

static void tell_untold(struct kev_watcher *w)
{
	if (!w->untold || w->relist.held)
		return;
	w->untold = false;
	kev_health_connected(w->config.health, w->health);
	if (w->troubled)
		kev_log_warning("%s: in sync with the server again", kev_watcher_label(w));
	w->troubled = false;
}

void kev_watcher_tell_connected(struct kev_watcher *w)
{
	w->connected = true;
	w->untold = true;
	w->deadline = kev_watcher_now(w) + QUIET_MAX;
	tell_untold(w);
}

/* Only the first sync may be impatient: later nobody waits, and the server gives a list a minute. */
int kev_watcher_idle_timeout(const struct kev_watcher *w)
{
	return w->settled && w->config.idle_timeout < LIST_PATIENCE ? LIST_PATIENCE : w->config.idle_timeout;
}

/* What others know of the server may be as wrong. */
void kev_watcher_tell_moved(struct kev_watcher *w)
{
	if (w->config.moved)
		w->config.moved(w->config.context, w);
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
		return kev_intake_relist_begin(w->config.intake, &w->relist);
	w->relist.begun = kev_store_relist_begin(w->config.store);
	return 0;
}

static int relist_end(struct kev_watcher *w)
{
	struct kev_str namespace_ = kev_str_c(w->config.namespace_);

	w->progress.remaining = 0;
	kev_log_info("%s: %zu listed", kev_watcher_label(w), w->progress.items);
	if (w->config.kind == KEV_SCOPE_EVENTS)
		return kev_intake_relist_end(w->config.intake, namespace_, &w->relist);
	kev_store_relist_end(w->config.store, w->config.kind, namespace_, w->relist.begun);
	return 0;
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
		if (w->config.granted)
			w->config.granted(w->config.context, w);
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
	return action->next == KEV_REFLECTOR_WATCH ? kev_watcher_ask_watch(w, action)
						   : kev_watcher_ask_list(w, action);
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
		kev_watcher_tell_moved(w);
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
		kev_watcher_tell_connected(w);
	}
	w->streaming = false;
	kev_watcher_log_failure(w, input, action);
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
			kev_watcher_end_request(w);
			kev_watcher_step(
				w, (struct kev_reflector_input){
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
void kev_watcher_step(struct kev_watcher *w, struct kev_reflector_input input)
{
	struct kev_reflector_action action;

	input.now = kev_watcher_now(w);
	kev_reflector_step(w->reflector, &input, &action);
	if (input.event == KEV_REFLECTOR_PAGE &&
		(action.next == KEV_REFLECTOR_FAIL || action.next == KEV_REFLECTOR_WAIT)) {
		kev_error_set(&w->why, "a list without a usable resourceVersion or continue token");
		kev_watcher_explain_garbage(w);
	}
	if (action.next != KEV_REFLECTOR_GO_ON || action.end)
		act(w, &input, &action);
}

void kev_watcher_start(struct kev_watcher *w)
{
	kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_START});
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
	kev_log_info("%s: nothing is heard of the server; watching anew", kev_watcher_label(w));
	kev_watcher_end_request(w);
	kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_EOF});
}

/* A server that is busy is as silent as one with another history: the list tells which. */
static void on_silence(struct kev_watcher *w)
{
	kev_buf_clear(&w->seen);
	/* Without memory nobody else is told. */
	(void)kev_buf_append_str(&w->seen, kev_reflector_resource_version(w->reflector));
	kev_error_set(&w->why, "%s: watching %s: what came last has not come again in %d s", w->config.server,
		kev_watcher_label(w), AGAIN_TIMEOUT);
	kev_watcher_end_request(w);
	kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_SILENT});
}

void kev_watcher_tick(struct kev_watcher *w, int64_t at)
{
	tell_untold(w);
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
		kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_TIMER});
		return;
	}
	if (w->place == KEV_INGEST_AGAIN && w->watching && w->status == 200) {
		on_silence(w);
		return;
	}
	kev_http_give_up(w->config.http, w->transfer);
	w->transfer = NULL;
	kev_watcher_end_request(w);
	kev_error_set(&w->why, "%s: no whole answer for %s in %d s", w->config.server, kev_watcher_label(w),
		w->streaming && w->status == 200 ? kev_watcher_idle_timeout(w) : HEAD_TIMEOUT);
	kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_BROKEN, .error = -ETIMEDOUT});
}

void kev_watcher_relist(struct kev_watcher *w)
{
	kev_watcher_end_request(w);
	kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_LOST});
}

void kev_watcher_move(struct kev_watcher *w)
{
	kev_watcher_end_request(w);
	kev_watcher_step(w, (struct kev_reflector_input){.event = KEV_REFLECTOR_MOVED});
}

void kev_watcher_stop(struct kev_watcher *w)
{
	kev_watcher_end_request(w);
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
	return w->complete && !w->relist.held;
}

bool kev_watcher_settled(const struct kev_watcher *w)
{
	return w->settled && !w->relist.held;
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
