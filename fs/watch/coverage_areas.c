#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/log.h"
#include "kevfs/watch/names.h"

#include "coverage_internal.h"

/* ---- areas ---- */

void kev_area_free(struct kev_area *area)
{
	kev_existence_destroy(area->existence);
	kev_watcher_destroy(area->events);
	kev_watcher_destroy(area->pods);
	free(area->name);
	free(area);
}

/* Let the store show what is in it, or not. */
int kev_area_permit(struct kev_coverage *c, struct kev_area *area, bool permitted)
{
	int r = kev_store_permit(c->config.store, kev_str_c(area->name), permitted);

	if (!r)
		area->permitted = permitted;
	return r;
}

static struct kev_area *create_area(struct kev_coverage *c, const char *name)
{
	bool shown =
		(c->config.shown || c->spoken) && kev_store_is_permitted(c->config.store, kev_str_c(name));
	struct kev_area *area = calloc(1, sizeof(*area));

	if (!area)
		return NULL;
	area->name = strdup(name);
	/* Who was forbidden the whole for long enough need not be told as often of its parts. */
	if (area->name)
		area->events = kev_coverage_watcher(
			c, KEV_SCOPE_EVENTS, area->name, shown && !c->whole[KEV_SCOPE_EVENTS]);
	if (area->events && kev_area_permit(c, area, shown) == 0)
		return area;
	kev_area_free(area);
	return NULL;
}

static int add_area(struct kev_coverage *c, const char *name)
{
	struct kev_area *area = create_area(c, name), **last = &c->areas;

	if (!area)
		return -ENOMEM;
	area->known = true;
	while (*last)
		last = &(*last)->next;
	*last = area;
	c->count++;
	if (c->started)
		kev_watcher_start(area->events);
	return 0;
}

/* Its pods are not watched by itself any more. What there is of them stays if others watch them. */
void kev_area_leave_pods(struct kev_coverage *c, struct kev_area *area)
{
	const struct kev_watcher *whole = c->whole[KEV_SCOPE_PODS];

	if (!area->pods)
		return;
	kev_watcher_stop(area->pods);
	kev_watcher_destroy(area->pods);
	area->pods = NULL;
	c->pods--;
	if (!whole || kev_watcher_denied(whole))
		kev_store_forget_pods(c->config.store, kev_str_c(area->name));
}

/* Take it out, stopped. */
void kev_area_retire(struct kev_coverage *c, struct kev_area **at)
{
	struct kev_area *area = *at;

	kev_area_leave_pods(c, area);
	kev_watcher_stop(area->events);
	*at = area->next;
	c->count--;
	area->next = c->retired;
	c->retired = area;
}

/* The namespace is gone, and its events with it: their own watch may not have told of all of them. */
static int lose(struct kev_coverage *c, struct kev_area *area)
{
	int r = kev_intake_relist_begin(c->config.intake, &area->relist);

	if (!r)
		r = kev_intake_relist_end(c->config.intake, kev_str_c(area->name), &area->relist);
	return r ? r : kev_area_permit(c, area, false);
}

void kev_areas_free_retired(struct kev_coverage *c)
{
	while (c->retired && !kev_intake_holding(c->config.intake)) {
		struct kev_area *area = c->retired;

		c->retired = area->next;
		kev_area_free(area);
	}
}

/* Like lose(), of one that has no area any more. */
static int lose_name(struct kev_coverage *c, const char *name)
{
	struct kev_area *area = calloc(1, sizeof(*area));
	int r;

	if (!area)
		return -ENOMEM;
	area->name = strdup(name);
	r = area->name ? lose(c, area) : -ENOMEM;
	area->next = c->retired;
	c->retired = area;
	return r;
}

/* ---- which namespaces there are ---- */

static void mark_areas(struct kev_coverage *c, const struct kev_names *names)
{
	for (struct kev_area *area = c->areas; area; area = area->next) {
		struct kev_name *name = kev_names_find(names, area->name);

		area->known = name;
		if (name)
			name->taken = true;
	}
}

static int drop_unknown(struct kev_coverage *c)
{
	struct kev_area **at = &c->areas;

	while (*at) {
		int r = (*at)->known ? 0 : lose(c, *at);

		if (r)
			return r;
		if ((*at)->known)
			at = &(*at)->next;
		else
			kev_area_retire(c, at);
	}
	return 0;
}

static void explain_beyond(const struct kev_coverage *c, struct kev_error *out)
{
	kev_error_set(out,
		"%zu of %zu namespaces cannot be watched one by one, since max_watches is %u: a ClusterRole "
		"that allows to list and watch events in the API group \"\" would help, or -o namespace= "
		"for some of them",
		c->beyond, c->beyond + c->count, c->config.max_watches);
}

static void note_beyond(struct kev_coverage *c, size_t beyond)
{
	struct kev_error why;
	bool news = beyond && !c->beyond;

	c->beyond = beyond;
	if (!news)
		return;
	explain_beyond(c, &why);
	if (!c->spoken && !c->config.patient)
		kev_coverage_fail(c, -E2BIG, &why);
	else
		kev_log_warning("%s; they are shown as forbidden", why.text);
}

static bool has_area(const struct kev_coverage *c, const char *name)
{
	const struct kev_area *area = c->areas;

	while (area && strcmp(area->name, name) != 0)
		area = area->next;
	return area;
}

/* While all was to be watched at once, what was shown stayed. Of that, a namespace may have gone meanwhile,
 * or be one too many now: without a watch it would stand still, and nothing would say so. */
static int hide_unwatched(struct kev_coverage *c, const struct kev_names *names)
{
	struct kev_names shown = {NULL, 0, 0};
	int r = kev_names_collect_permitted(c->config.store, &shown);

	for (size_t i = 0; i < shown.count && !r; i++) {
		const char *name = shown.list[i].text;

		if (has_area(c, name))
			continue;
		r = kev_names_find(names, name) ? kev_store_permit(c->config.store, kev_str_c(name), false)
						: lose_name(c, name);
	}
	kev_names_fini(&shown);
	return r;
}

static int fit_areas(struct kev_coverage *c, const struct kev_names *names)
{
	size_t beyond = 0;
	int r;

	mark_areas(c, names);
	r = drop_unknown(c);
	for (size_t i = 0; i < names->count && !r; i++) {
		if (names->list[i].taken)
			continue;
		if (c->count < c->config.max_watches)
			r = add_area(c, names->list[i].text);
		else
			beyond++;
	}
	if (!r && c->look)
		r = hide_unwatched(c, names);
	if (!r)
		note_beyond(c, beyond);
	return r;
}

/* Let there be an area for each namespace that is known. */
int kev_areas_look_around(struct kev_coverage *c)
{
	uint64_t changes = kev_store_namespace_changes(c->config.store);
	struct kev_names names = {NULL, 0, 0};
	int r;

	if (!c->look && changes == c->looked)
		return 0;
	r = kev_names_collect(c->config.store, &names);
	if (!r)
		r = fit_areas(c, &names);
	kev_names_fini(&names);
	if (r)
		return r;
	c->looked = changes;
	c->look = false;
	return 0;
}
