#include "kevfs/watch/reflector.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"
#include "kevfs/watch/backoff.h"

/* A watch ends after a random time, so that the watches of a cluster do not all begin at once. */
#define TIMEOUT_MIN 300U
#define TIMEOUT_MAX 600U

/* One that only asks is left when its head is there; where that gets lost, the server need not keep it. */
#define TIMEOUT_PROBE 1U

/* A watch that ends sooner and without a line was from a resourceVersion that the server no longer has
 * (client-go: VeryShortWatchError; the server does not always say 410). */
#define SHORT_WATCH (2 * KEV_NS_PER_SEC)

/* A watch that lived this long, or brought a line behind SHORT_WATCH, did what it is for. */
#define USEFUL_WATCH (10 * KEV_NS_PER_SEC)

/* After so many watches in a row that were of no use, a server is spared: each one costs it a list. */
#define FUTILE_MAX 4U

/* The server gives a page 60 s. One that breaks off after this long was too large for the link. */
#define SLOW_PAGE (30 * KEV_NS_PER_SEC)
#define QUICK_PAGE (5 * KEV_NS_PER_SEC)
#define LIMIT_MIN 100U

/* Lists in pages that outlive what they are of, in a row, before one is streamed. */
#define EXPIRED_MAX 2U

/* A continue token travels in a URL. */
#define CONTINUE_MAX (16U << 10)

enum state { IDLE, LISTING, WATCHING, WAITING, FAILED };

/* What the wait is for. */
enum plan { LIST_ANEW, LIST_PAGE, WATCH_ON };

struct kev_reflector {
	struct kev_reflector_config config;
	enum state state;
	enum plan plan;       /* of WAITING */
	bool synced;          /* a list was complete */
	bool settled;         /* … or it was forbidden: nothing fails for good any more */
	bool denied;          /* the server forbids it; said so already */
	bool probing;         /* LISTING or WATCHING, but only to see whether it still does */
	bool refused;         /* … for how long, is not enough yet to be believed */
	bool watch_refused;   /* … and it was the watch: that a list is permitted says nothing of it */
	int64_t refused_at;   /* since when */
	bool refreshed;       /* a 401 was answered with a fresh credential, and nothing worked since */
	bool from_cache;      /* ask for resourceVersion=0 */
	bool streaming;       /* WATCHING, and the list that it begins with is not complete */
	unsigned expired;     /* lists in a row whose later pages the server had compacted away */
	unsigned limit;       /* of a page */
	unsigned futile;      /* watches in a row that were of no use */
	uint64_t lines;       /* of this watch */
	int64_t started;      /* this page, or this watch */
	struct kev_buf token; /* the next page's */
	struct kev_buf resource_version;
	struct kev_backoff backoff;
};

struct kev_reflector *kev_reflector_create(const struct kev_reflector_config *config)
{
	struct kev_reflector *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->config = *config;
	r->state = IDLE;
	r->from_cache = config->cached;
	r->limit = KEV_REFLECTOR_LIMIT;
	kev_buf_init(&r->token, CONTINUE_MAX);
	kev_buf_init(&r->resource_version, KEV_REFLECTOR_RV_MAX);
	kev_backoff_init(&r->backoff);
	/* With the room there, taking over a resourceVersion cannot fail. */
	if (kev_buf_reserve(&r->resource_version, KEV_REFLECTOR_RV_MAX) == 0)
		return r;
	kev_reflector_destroy(r);
	return NULL;
}

void kev_reflector_destroy(struct kev_reflector *r)
{
	if (!r)
		return;
	kev_buf_fini(&r->token);
	kev_buf_fini(&r->resource_version);
	free(r);
}

bool kev_reflector_synced(const struct kev_reflector *r)
{
	return r->synced;
}

bool kev_reflector_watching(const struct kev_reflector *r)
{
	return r->state == WATCHING;
}

struct kev_str kev_reflector_resource_version(const struct kev_reflector *r)
{
	return kev_buf_str(&r->resource_version);
}

/* Ask for the page that the token stands for: without one, the first. */
static void list_page(struct kev_reflector *r, int64_t now, struct kev_reflector_action *action)
{
	r->state = LISTING;
	r->started = now;
	action->next = KEV_REFLECTOR_LIST;
	r->probing = r->denied;
	if (r->probing) {
		action->probe = true;
		action->limit = 1;
		return;
	}
	action->begin = r->token.len == 0;
	action->limit = r->limit;
	action->continue_ = kev_buf_str(&r->token);
	/* A continuation must not say a resourceVersion. Unset means: as new as etcd has it. */
	if (action->begin && r->from_cache)
		action->resource_version = KEV_STR("0");
}

static unsigned random_timeout(struct kev_reflector *r)
{
	return TIMEOUT_MIN + r->config.random(r->config.context) % (TIMEOUT_MAX - TIMEOUT_MIN + 1);
}

/* Ask for a watch that begins with the list. */
static void stream_list(struct kev_reflector *r, int64_t now, struct kev_reflector_action *action)
{
	r->state = WATCHING;
	r->probing = false;
	r->streaming = true;
	r->expired = 0;
	r->started = now;
	r->lines = 0;
	action->next = KEV_REFLECTOR_WATCH;
	action->begin = true;
	action->timeout = random_timeout(r);
}

static void list_anew(struct kev_reflector *r, int64_t now, struct kev_reflector_action *action)
{
	kev_buf_clear(&r->token);
	if (r->expired >= EXPIRED_MAX && !r->denied)
		stream_list(r, now, action);
	else
		list_page(r, now, action);
}

static void watch_on(struct kev_reflector *r, int64_t now, struct kev_reflector_action *action)
{
	r->state = WATCHING;
	r->probing = false;
	r->started = now;
	r->lines = 0;
	action->next = KEV_REFLECTOR_WATCH;
	action->resource_version = kev_buf_str(&r->resource_version);
	action->timeout = random_timeout(r);
}

/* It may be listed, so ask for a watch, too. */
static void probe_watch(struct kev_reflector *r, int64_t now, struct kev_reflector_action *action)
{
	watch_on(r, now, action);
	r->probing = action->probe = true;
	action->timeout = TIMEOUT_PROBE;
}

/* The server permits it at last. */
static void grant(struct kev_reflector *r, int64_t now, struct kev_reflector_action *action)
{
	r->denied = false;
	/* Whoever stood in meanwhile may have seen more than the cache holds. */
	r->from_cache = false;
	action->granted = true;
	list_anew(r, now, action);
}

static void wait_for(
	struct kev_reflector *r, enum plan plan, int64_t wait, struct kev_reflector_action *action)
{
	r->state = WAITING;
	r->plan = plan;
	action->next = KEV_REFLECTOR_WAIT;
	action->wait = wait;
}

static void back_off(struct kev_reflector *r, enum plan plan, enum kev_backoff_cause cause,
	const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	uint32_t random = r->config.random(r->config.context);
	int retry_after = input->event == KEV_REFLECTOR_STATUS ? input->retry_after : -1;

	wait_for(r, plan, kev_backoff_next(&r->backoff, cause, input->now, retry_after, random), action);
}

/* May the first list still fail for good? */
static bool is_final(const struct kev_reflector *r)
{
	return !r->settled && !r->config.patient;
}

static void fail(struct kev_reflector *r, struct kev_reflector_action *action)
{
	r->state = FAILED;
	action->next = KEV_REFLECTOR_FAIL;
}

/* Something is wrong, and it is no overload: mostly it is mended soon. But the server is there all the while,
 * and it may go on like that for ever: so a series of these slows down. */
static enum kev_backoff_cause count_futile(struct kev_reflector *r)
{
	r->futile++;
	return r->futile <= FUTILE_MAX ? KEV_BACKOFF_UNREACHABLE : KEV_BACKOFF_OVERLOAD;
}

/* This watch has ended with what only a list can mend. */
static void relist(struct kev_reflector *r, const struct kev_reflector_input *input, bool at_once,
	struct kev_reflector_action *action)
{
	if (input->now - r->started >= USEFUL_WATCH)
		r->futile = 0;
	if (at_once && r->futile == 0) {
		r->futile++;
		list_anew(r, input->now, action);
	} else {
		back_off(r, LIST_ANEW, count_futile(r), input, action);
	}
}

/* Take over a resourceVersion. @return false where it cannot be used */
static bool set_resource_version(struct kev_reflector *r, struct kev_str resource_version)
{
	if (resource_version.len == 0 || resource_version.len > KEV_REFLECTOR_RV_MAX)
		return false;
	kev_buf_clear(&r->resource_version);
	return kev_buf_append_str(&r->resource_version, resource_version) == 0;
}

static void on_garbage(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	if (r->state == WATCHING)
		relist(r, input, false, action);
	else if (is_final(r))
		fail(r, action);
	else
		back_off(r, LIST_ANEW, count_futile(r), input, action);
}

/* The server is not to blame, so the first list does not fail; but only a list can mend it. */
static void on_lost(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	if (r->state == WATCHING || r->state == LISTING)
		back_off(r, LIST_ANEW, KEV_BACKOFF_UNREACHABLE, input, action);
	else
		r->plan = LIST_ANEW;
}

/* Keep the token of the page behind this one. @return 0, -ENOMEM, or another error: it makes no sense */
static int set_token(struct kev_reflector *r, struct kev_str token)
{
	/* The same page for ever. */
	if (token.len > 0 && kev_str_eq(token, kev_buf_str(&r->token)))
		return -EINVAL;
	kev_buf_clear(&r->token);
	return kev_buf_append_str(&r->token, token);
}

/* Is that the resourceVersion of the pages so far? */
static bool continues_list(const struct kev_reflector *r, struct kev_str resource_version)
{
	return r->token.len == 0 || kev_str_eq(resource_version, kev_buf_str(&r->resource_version));
}

/* The list is complete. */
static void end_list(struct kev_reflector *r, struct kev_reflector_action *action)
{
	action->end = true;
	action->synced = !r->synced;
	r->synced = r->settled = true;
	r->streaming = false;
	r->expired = 0;
	/* The cache may lag behind what was seen already: only where nothing was seen it is good enough. */
	r->from_cache = false;
}

static void on_page(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	int kept;

	if (r->state != LISTING)
		return;
	if (r->probing) {
		if (set_resource_version(r, input->resource_version))
			probe_watch(r, input->now, action);
		else
			on_garbage(r, input, action);
		return;
	}
	/* Every page says the resourceVersion of the whole list: pages of two servers are none of either. */
	kept = continues_list(r, input->resource_version) && set_resource_version(r, input->resource_version)
		       ? set_token(r, input->continue_)
		       : -EINVAL;
	if (kept == -ENOMEM) {
		on_lost(r, input, action);
		return;
	}
	if (kept) {
		on_garbage(r, input, action);
		return;
	}
	r->refreshed = false;
	if (input->now - r->started < QUICK_PAGE && r->limit < KEV_REFLECTOR_LIMIT)
		r->limit = r->limit * 2 < KEV_REFLECTOR_LIMIT ? r->limit * 2 : KEV_REFLECTOR_LIMIT;
	if (input->continue_.len > 0) {
		list_page(r, input->now, action);
		return;
	}
	end_list(r, action);
	watch_on(r, input->now, action);
}

static void on_line(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	if (r->state != WATCHING)
		return;
	r->lines++;
	r->refreshed = false;
	if (input->now - r->started >= SHORT_WATCH)
		r->futile = 0;
	/* One that cannot be used is left out: the next watch begins a little earlier. */
	if (set_resource_version(r, input->resource_version) && r->streaming && input->initial_end)
		end_list(r, action);
}

static void on_eof(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	if (r->state != WATCHING)
		return;
	r->refreshed = false;
	if (r->probing) {
		grant(r, input->now, action);
		return;
	}
	/* What comes next is no part of a series. */
	if (input->now - r->started >= USEFUL_WATCH)
		r->futile = 0;
	if (r->lines == 0 && input->now - r->started < SHORT_WATCH)
		relist(r, input, true, action);
	else if (input->now - r->started < SHORT_WATCH && r->futile++ > 0)
		back_off(r, WATCH_ON, KEV_BACKOFF_UNREACHABLE, input, action);
	else
		watch_on(r, input->now, action);
}

/* A page that the server or the link could not carry in time: the next one is smaller. */
static void note_slow_page(struct kev_reflector *r, int64_t now)
{
	if (r->state != LISTING || now - r->started < SLOW_PAGE)
		return;
	/* A list from the cache is never cut into pages. */
	r->from_cache = false;
	r->limit = r->limit / 2 > LIMIT_MIN ? r->limit / 2 : LIMIT_MIN;
}

static void on_denied(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	/* What may be listed, but not watched, costs the server a list each time. */
	enum kev_backoff_cause cause = r->state == WATCHING ? KEV_BACKOFF_OVERLOAD : KEV_BACKOFF_REFUSED;

	if (!r->refused)
		r->refused_at = input->now;
	r->refused = true;
	r->watch_refused = r->state == WATCHING;
	if (!r->denied && (r->synced || r->config.shown) &&
		input->now - r->refused_at < KEV_REFLECTOR_DENIED_AFTER) {
		back_off(r, LIST_ANEW, cause, input, action);
		return;
	}
	action->denied = !r->denied;
	r->denied = r->settled = true;
	if (r->config.hurried && !r->synced)
		back_off(r, LIST_ANEW, KEV_BACKOFF_OVERLOAD, input, action);
	else
		wait_for(r, LIST_ANEW, KEV_REFLECTOR_DENIED_WAIT, action);
}

static bool is_denial(const struct kev_reflector *r, const struct kev_reflector_input *input)
{
	return input->event == KEV_REFLECTOR_STATUS &&
	       (input->status == 403 || (input->status == 404 && r->config.optional));
}

/* The server is the same and so is its history: go on where we were. A question begins anew. */
static enum plan plan_to_go_on(const struct kev_reflector *r)
{
	return r->state == WATCHING && !r->probing ? WATCH_ON : LIST_PAGE;
}

static void on_unauthorized(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	enum plan plan = plan_to_go_on(r);

	if (!input->refreshed || r->refreshed) {
		if (is_final(r))
			fail(r, action);
		else
			back_off(r, plan, KEV_BACKOFF_REFUSED, input, action);
		return;
	}
	r->refreshed = true;
	if (plan == WATCH_ON)
		watch_on(r, input->now, action);
	else
		list_page(r, input->now, action);
}

static bool is_worth_a_retry(int status)
{
	return status >= 500 || status == 429 || status == 410 || status == 408;
}

static void on_status(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	bool watching = r->state == WATCHING;

	if (r->state != LISTING && !watching)
		return;
	if (input->status == 401) {
		on_unauthorized(r, input, action);
	} else if (is_denial(r, input)) {
		on_denied(r, input, action);
	} else if (watching && (input->status == 410 || input->rv_too_large)) {
		relist(r, input, true, action);
	} else if (input->status == 429) {
		back_off(r, plan_to_go_on(r), KEV_BACKOFF_OVERLOAD, input, action);
	} else if (is_final(r) && !is_worth_a_retry(input->status)) {
		fail(r, action);
	} else {
		/* Also a continue token that has expired: a new list, but not at once. */
		if (input->status == 410 && r->token.len > 0)
			r->expired++;
		note_slow_page(r, input->now);
		back_off(r, LIST_ANEW, input->status >= 500 ? KEV_BACKOFF_OVERLOAD : count_futile(r), input,
			action);
	}
}

/* Broken off, or silent: may be over in a moment. Anything else is as it is. */
static bool is_passing(int error)
{
	return error == -ECONNRESET || error == -ETIMEDOUT || error == -ENOMEM;
}

static void on_broken(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	if (r->state != LISTING && r->state != WATCHING)
		return;
	if (is_final(r) && !is_passing(input->error)) {
		fail(r, action);
		return;
	}
	note_slow_page(r, input->now);
	/* Whoever answers next may have another history (a restored etcd), and would take our resourceVersion
	 * all the same: so compare. */
	back_off(r, LIST_ANEW, KEV_BACKOFF_UNREACHABLE, input, action);
}

/* The server answers, but what it has may be something else. A watch that was of use says nothing of that: so
 * it does not count as futile. */
static void on_moved(struct kev_reflector *r, int64_t now, struct kev_reflector_action *action)
{
	if (r->state == WATCHING || r->state == LISTING)
		list_anew(r, now, action);
	else
		r->plan = LIST_ANEW;
}

/* Another history, which is not so far yet; or nothing but a server that is slow, and that lists would keep
 * so. */
static void on_silent(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	if (r->state == WATCHING)
		relist(r, input, true, action);
}

static void on_timer(struct kev_reflector *r, int64_t now, struct kev_reflector_action *action)
{
	if (r->state != WAITING)
		return;
	switch (r->plan) {
	case LIST_ANEW:
		list_anew(r, now, action);
		return;
	case LIST_PAGE:
		list_page(r, now, action);
		return;
	case WATCH_ON:
		watch_on(r, now, action);
		return;
	}
}

/* The list that was streamed has ended before its end: whatever the reason, a list is what is missing. That
 * it was tried does not make pages any better; but a server that has no such watch says so by any error. */
static void leave_stream(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	r->streaming = false;
	if (input->event == KEV_REFLECTOR_BROKEN)
		on_broken(r, input, action);
	else if (is_denial(r, input))
		on_denied(r, input, action);
	else
		back_off(r, LIST_ANEW, KEV_BACKOFF_OVERLOAD, input, action);
}

static bool ends_request(enum kev_reflector_event event)
{
	return event == KEV_REFLECTOR_EOF || event == KEV_REFLECTOR_STATUS || event == KEV_REFLECTOR_BROKEN ||
	       event == KEV_REFLECTOR_GARBAGE || event == KEV_REFLECTOR_MOVED ||
	       event == KEV_REFLECTOR_SILENT || event == KEV_REFLECTOR_LOST;
}

/* Does it say something else than that it is forbidden? */
static bool tells_of_access(const struct kev_reflector *r, const struct kev_reflector_input *input)
{
	if (input->event == KEV_REFLECTOR_TIMER || is_denial(r, input))
		return false;
	return input->event != KEV_REFLECTOR_PAGE || !r->watch_refused;
}

void kev_reflector_step(
	struct kev_reflector *r, const struct kev_reflector_input *input, struct kev_reflector_action *action)
{
	*action = (struct kev_reflector_action){.next = KEV_REFLECTOR_GO_ON};
	if (tells_of_access(r, input))
		r->refused = false;
	if (r->streaming && ends_request(input->event)) {
		leave_stream(r, input, action);
		return;
	}
	switch (input->event) {
	case KEV_REFLECTOR_START:
		if (r->state == IDLE)
			list_anew(r, input->now, action);
		return;
	case KEV_REFLECTOR_PAGE:
		on_page(r, input, action);
		return;
	case KEV_REFLECTOR_LINE:
		on_line(r, input, action);
		return;
	case KEV_REFLECTOR_EOF:
		on_eof(r, input, action);
		return;
	case KEV_REFLECTOR_STATUS:
		on_status(r, input, action);
		return;
	case KEV_REFLECTOR_BROKEN:
		on_broken(r, input, action);
		return;
	case KEV_REFLECTOR_GARBAGE:
		if (r->state == LISTING || r->state == WATCHING)
			on_garbage(r, input, action);
		return;
	case KEV_REFLECTOR_MOVED:
		on_moved(r, input->now, action);
		return;
	case KEV_REFLECTOR_SILENT:
		on_silent(r, input, action);
		return;
	case KEV_REFLECTOR_LOST:
		on_lost(r, input, action);
		return;
	case KEV_REFLECTOR_TIMER:
		on_timer(r, input->now, action);
		return;
	}
}
