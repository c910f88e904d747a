#include "kevfs/watch/coverage.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/log.h"
#include "kevfs/cluster/impersonation.h"
#include "kevfs/watch/names.h"

#include "coverage_internal.h"

/* After something failed for want of memory. */
#define RETRY KEV_NS_PER_SEC

/* Goes through all watchers; all zero at its beginning. */
struct cursor {
	size_t whole;
	struct kev_area *area;
	bool pods; /* the area's pods come next */
};

static struct kev_watcher *next_watcher(const struct kev_coverage *c, struct cursor *at)
{
	struct kev_watcher *watcher = NULL;

	while (!watcher && at->whole < KINDS) {
		watcher = c->whole[at->whole++];
		at->area = c->areas;
	}
	while (!watcher && at->area) {
		watcher = at->pods ? at->area->pods : at->area->events;
		if (at->pods)
			at->area = at->area->next;
		at->pods = !at->pods;
	}
	return watcher;
}

static uint32_t next_random(void *context)
{
	const struct kev_coverage *c = context;

	return c->config.random(c->config.context);
}

void kev_coverage_fail(struct kev_coverage *c, int result, const struct kev_error *why)
{
	/* The others mostly fail for the same reason. */
	if (c->failure)
		return;
	c->failure = result;
	c->why = *why;
}

static void on_failed(void *context, struct kev_watcher *watcher, int result, const struct kev_error *why)
{
	(void)watcher;
	kev_coverage_fail(context, result, why);
}

/* What the others know of it they cannot tell themselves. Any number may say so at once: that is one move. */
static void on_moved(void *context, struct kev_watcher *watcher)
{
	struct kev_coverage *c = context;

	(void)watcher;
	c->moved = true;
}

/* All at once, again. Not in the next kev_coverage_tick(): until then the list may have been asked for, and
 * be here, and a line that was on its way to a namespace's watcher would be put behind what is newer. */
static void on_granted(void *context, struct kev_watcher *watcher)
{
	struct kev_coverage *c = context;

	if (watcher == c->whole[KEV_SCOPE_PODS]) {
		for (struct kev_area *area = c->areas; area; area = area->next)
			kev_area_leave_pods(c, area);
	} else if (watcher == c->whole[KEV_SCOPE_EVENTS]) {
		while (c->areas)
			kev_area_retire(c, &c->areas);
		c->look = true;
		c->beyond = 0;
	}
}

static void move_others(struct kev_coverage *c)
{
	struct cursor at = {0};
	struct kev_watcher *watcher;

	while (c->moved && (watcher = next_watcher(c, &at))) {
		if (kev_watcher_kind(watcher) != KEV_SCOPE_EVENTS)
			kev_watcher_move(watcher);
	}
	c->moved = false;
}

/* @return new, or NULL on ENOMEM */
struct kev_watcher *kev_coverage_watcher(
	struct kev_coverage *c, enum kev_scope_kind kind, const char *namespace_, bool shown)
{
	const struct kev_coverage_config *config = &c->config;
	const struct kev_watcher_config watcher = {.http = config->http,
		.clock = config->clock,
		.store = config->store,
		.health = config->health,
		.intake = kind == KEV_SCOPE_EVENTS ? config->intake : NULL,
		.server = config->cluster->server,
		.kind = kind,
		.namespace_ = namespace_,
		.field_selector = kind == KEV_SCOPE_EVENTS ? config->field_selector : NULL,
		.idle_timeout = config->idle_timeout,
		.shown = shown,
		.patient = config->patient || c->spoken,
		.hurried = config->patient && !c->spoken && kind == KEV_SCOPE_EVENTS,
		.current = c->spoken,
		.quiet = !config->patient && !c->spoken,
		.random = next_random,
		.failed = on_failed,
		.moved = kind == KEV_SCOPE_EVENTS ? on_moved : NULL,
		.granted = on_granted,
		.context = c};

	return kev_watcher_create(&watcher);
}

/* ---- by what is permitted ---- */

static bool is_denied(const struct kev_coverage *c, enum kev_scope_kind kind)
{
	return !c->whole[kind] || kev_watcher_denied(c->whole[kind]);
}

/* The namespaces may not be listed: let those be known that can be. */
static int guess_names(struct kev_coverage *c)
{
	const char *own = kev_cluster_config_namespace(c->config.cluster);

	return kev_names_guess(c->config.store, own);
}

/* From now on the store shows what is permitted by name. */
static int begin_spread(struct kev_coverage *c)
{
	int r = 0;

	if (is_denied(c, KEV_SCOPE_NAMESPACES) && !c->config.namespaces)
		r = guess_names(c);
	c->look = true;
	if (!r)
		r = kev_areas_look_around(c);
	if (r || c->failure)
		return r;
	kev_store_restrict(c->config.store, true);
	kev_health_need_namespaces(c->config.health, c->whole[KEV_SCOPE_NAMESPACES] != NULL);
	c->spread = c->restricted = true;
	return 0;
}

/* There is room for one more watch of pods: events come first. */
static bool has_room(const struct kev_coverage *c)
{
	return c->count + c->pods < c->config.max_watches;
}

static int go_by_pods(struct kev_coverage *c, struct kev_area *area)
{
	bool wanted = is_denied(c, KEV_SCOPE_PODS) && !kev_watcher_denied(area->events);

	if (!wanted || c->count + c->pods > c->config.max_watches)
		kev_area_leave_pods(c, area);
	if (!wanted || area->pods || !has_room(c))
		return 0;
	area->pods = kev_coverage_watcher(c, KEV_SCOPE_PODS, area->name, false);
	if (!area->pods)
		return -ENOMEM;
	c->pods++;
	if (c->started)
		kev_watcher_start(area->pods);
	return 0;
}

/* An empty list may be that of a namespace which there is not. */
static void ask_existence(struct kev_coverage *c, struct kev_area *area)
{
	struct kev_watcher_progress progress;

	kev_watcher_progress(area->events, &progress);
	if (c->spoken || area->existence || !is_denied(c, KEV_SCOPE_NAMESPACES) || progress.items)
		return;
	/* Without memory the mount is not told: that is all. */
	area->existence = kev_existence_ask(c->config.http, c->config.cluster->server, area->name);
}

static int go_by_area(struct kev_coverage *c, struct kev_area *area)
{
	bool listed = kev_watcher_listed(area->events);
	int r = 0;

	if (listed && !area->permitted)
		r = kev_area_permit(c, area, true);
	else if (kev_watcher_denied(area->events) && area->permitted)
		r = kev_area_permit(c, area, false);
	if (listed)
		ask_existence(c, area);
	return r ? r : go_by_pods(c, area);
}

/* Namespaces one by one. */
static int spread(struct kev_coverage *c)
{
	int r;

	/* What there is must be known, or that it may not be. */
	if (c->whole[KEV_SCOPE_NAMESPACES] && !kev_watcher_settled(c->whole[KEV_SCOPE_NAMESPACES]))
		return 0;
	r = c->spread ? kev_areas_look_around(c) : begin_spread(c);
	for (struct kev_area *area = c->areas; area && !r; area = area->next)
		r = go_by_area(c, area);
	return r;
}

/* Show everything, when everything is here. */
static void gather(struct kev_coverage *c)
{
	if (!kev_watcher_listed(c->whole[KEV_SCOPE_EVENTS]))
		return;
	kev_store_restrict(c->config.store, false);
	kev_health_need_namespaces(c->config.health, false);
	c->spread = c->restricted = false;
}

static void arrange(struct kev_coverage *c, int64_t at)
{
	int r = 0;

	if (is_denied(c, KEV_SCOPE_EVENTS))
		r = spread(c);
	else if (c->restricted)
		gather(c);
	c->retry_at = r ? at + RETRY : INT64_MAX;
	kev_areas_free_retired(c);
}

/* ---- the whole ---- */

static int keep_to_namespaces(struct kev_coverage *c, struct kev_error *error)
{
	const char *const *namespaces = c->config.namespaces;

	for (size_t i = 0; namespaces[i]; i++) {
		int r = kev_store_put_namespace(c->config.store, kev_str_c(namespaces[i]), 0);

		if (r == -EINVAL)
			kev_error_set(error, "\"%s\" is no name of a namespace", namespaces[i]);
		if (r)
			return r;
	}
	return 0;
}

static int set_up(struct kev_coverage *c, struct kev_error *error)
{
	int r = 0;

	if (c->config.namespaces) {
		r = keep_to_namespaces(c, error);
		if (!r)
			r = begin_spread(c);
		for (struct kev_area *area = c->areas; area && !r; area = area->next)
			r = go_by_pods(c, area);
		return r;
	}
	for (int kind = 0; kind < KINDS && !r; kind++) {
		c->whole[kind] = kev_coverage_watcher(c, (enum kev_scope_kind)kind, NULL, c->config.shown);
		r = c->whole[kind] ? 0 : -ENOMEM;
	}
	return r;
}

int kev_coverage_create(
	const struct kev_coverage_config *config, struct kev_coverage **out, struct kev_error *error)
{
	struct kev_coverage *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->config = *config;
	c->retry_at = INT64_MAX;
	c->restricted = kev_store_is_restricted(config->store);
	r = set_up(c, error);
	if (c->failure && error)
		*error = c->why;
	r = r ? r : c->failure;
	if (r) {
		kev_coverage_destroy(c);
		return r;
	}
	*out = c;
	return 0;
}

void kev_coverage_destroy(struct kev_coverage *c)
{
	struct kev_area *next;

	if (!c)
		return;
	for (int kind = 0; kind < KINDS; kind++)
		kev_watcher_destroy(c->whole[kind]);
	for (struct kev_area *area = c->areas; area; area = next) {
		next = area->next;
		kev_area_free(area);
	}
	for (struct kev_area *area = c->retired; area; area = next) {
		next = area->next;
		kev_area_free(area);
	}
	free(c);
}

void kev_coverage_start(struct kev_coverage *c)
{
	struct cursor at = {0};
	struct kev_watcher *watcher;

	c->started = true;
	while ((watcher = next_watcher(c, &at)))
		kev_watcher_start(watcher);
}

int64_t kev_coverage_deadline(const struct kev_coverage *c)
{
	struct cursor at = {0};
	const struct kev_watcher *watcher;
	int64_t next = c->retry_at;

	while ((watcher = next_watcher(c, &at))) {
		int64_t deadline = kev_watcher_deadline(watcher);

		next = deadline < next ? deadline : next;
	}
	return next;
}

/* Nothing may be seen at all: that is worth no mount. */
static void fail_denied(struct kev_coverage *c)
{
	struct kev_error why =
		*kev_watcher_why(c->whole[KEV_SCOPE_EVENTS] ? c->whole[KEV_SCOPE_EVENTS] : c->areas->events);
	struct kev_error all = {""}, as;

	if (kev_impersonation_is_refused(c->config.cluster->impersonate, kev_str_c(why.text), &as))
		kev_error_set(&all, "%s; %s", as.text, KEV_IMPERSONATION_ADVICE);
	else if (!c->whole[KEV_SCOPE_EVENTS] && c->count == 1)
		all = why;
	else if (!c->whole[KEV_SCOPE_EVENTS])
		kev_error_set(&all, "%s; nor may those of the other %zu namespaces", why.text, c->count - 1);
	else if (c->count == 1)
		kev_error_set(&all, "%s; nor may those of namespace %s; -o namespace= names others", why.text,
			c->areas->name);
	else
		kev_error_set(&all, "%s; nor may those of any of the %zu namespaces", why.text, c->count);
	kev_coverage_fail(c, -EACCES, &all);
}

/* @return whether all of the first sync is over, well or not, and something may be seen */
static bool is_over(const struct kev_coverage *c, bool *seen)
{
	struct cursor at = {0};
	const struct kev_watcher *watcher;

	*seen = false;
	while ((watcher = next_watcher(c, &at))) {
		if (!kev_watcher_settled(watcher))
			return false;
		if (kev_watcher_kind(watcher) == KEV_SCOPE_EVENTS && kev_watcher_listed(watcher))
			*seen = true;
	}
	for (const struct kev_area *area = c->areas; area; area = area->next) {
		if (area->existence && !kev_existence_answered(area->existence))
			return false;
	}
	return c->retry_at == INT64_MAX && c->restricted == c->spread &&
	       is_denied(c, KEV_SCOPE_EVENTS) == c->spread;
}

bool kev_coverage_settled(const struct kev_coverage *c)
{
	bool seen;

	return is_over(c, &seen) && seen;
}

void kev_coverage_tick(struct kev_coverage *c, int64_t at)
{
	struct cursor cursor = {0};
	struct kev_watcher *watcher;
	bool seen;

	while ((watcher = next_watcher(c, &cursor)))
		kev_watcher_tick(watcher, at);
	move_others(c);
	arrange(c, at);
	if (!c->spoken && !c->config.patient && !c->failure && is_over(c, &seen) && !seen)
		fail_denied(c);
}

int kev_coverage_failure(const struct kev_coverage *c, struct kev_error *why)
{
	if (c->failure && !c->spoken)
		*why = c->why;
	return c->spoken ? 0 : c->failure;
}

/* What is seen, where that is not everything. */
static void tell_areas(const struct kev_coverage *c)
{
	const struct kev_watcher *first = c->whole[KEV_SCOPE_EVENTS];
	size_t denied = 0, without_pods = 0;

	for (const struct kev_area *area = c->areas; area; area = area->next) {
		bool here = kev_watcher_denied(area->events);

		denied += here ? 1 : 0;
		if (here && !first)
			first = area->events;
		if (!here && is_denied(c, KEV_SCOPE_PODS) && (!area->pods || kev_watcher_denied(area->pods)))
			without_pods++;
	}
	if (first)
		kev_log_warning("%s; %zu of %zu namespaces may be seen", kev_watcher_why(first)->text,
			c->count - denied, c->count + c->beyond);
	if (without_pods)
		kev_log_warning(
			"pods of %zu of %zu namespaces may not be listed; only those that events mention "
			"are shown",
			without_pods, c->count - denied);
}

void kev_coverage_speak(struct kev_coverage *c)
{
	struct cursor at = {0};
	struct kev_watcher *watcher;

	if (!c->spoken && c->spread)
		tell_areas(c);
	while ((watcher = next_watcher(c, &at)))
		kev_watcher_speak(watcher, !c->spread);
	c->spoken = true;
}

void kev_coverage_relist(struct kev_coverage *c)
{
	struct cursor at = {0};
	struct kev_watcher *watcher;

	while ((watcher = next_watcher(c, &at)))
		kev_watcher_relist(watcher);
}

void kev_coverage_progress(const struct kev_coverage *c, struct kev_coverage_progress *out)
{
	struct cursor at = {0};
	const struct kev_watcher *watcher;

	*out = (struct kev_coverage_progress){0, 0, 0};
	while ((watcher = next_watcher(c, &at))) {
		struct kev_watcher_progress one;

		kev_watcher_progress(watcher, &one);
		if (one.last_byte > out->last_byte)
			out->last_byte = one.last_byte;
		if (kev_watcher_kind(watcher) != KEV_SCOPE_EVENTS)
			continue;
		out->items += one.items;
		out->remaining += one.remaining;
	}
}

const struct kev_error *kev_coverage_why(const struct kev_coverage *c)
{
	struct cursor at = {0};
	const struct kev_watcher *watcher;

	while ((watcher = next_watcher(c, &at))) {
		if (!kev_watcher_settled(watcher) && kev_watcher_why(watcher)->text[0])
			return kev_watcher_why(watcher);
	}
	return NULL;
}
