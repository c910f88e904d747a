#include "check_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/event/event.h"
#include "kevfs/store/changes.h"
#include "kevfs/store/kinds.h"
#include "kevfs/store/store.h"
#include "kevfs/watch/dump.h"
#include "kevfs/watch/source.h"

/* Nobody follows the journal. */
#define CHANGES_MAX 16

#define KIND_SHOWN 64

/* What is read, by a thread that may hang in it. */
struct reading {
	const char *path;              /* never freed before the end */
	const char *const *namespaces; /* likewise */
	struct kev_changes *changes;
	struct kev_store *store;
	struct kev_error why;
	/* What was found. */
	enum kev_form form;
	size_t revisions, others, broken, errors, oversized;
	uint64_t broken_line;
	char other_kind[KIND_SHOWN];
	struct kev_error broken_why, failure;
};

static void on_found(void *context, const struct kev_dump_found *what)
{
	struct reading *reading = context;
	const struct kev_recorded_counts *counts = what->counts;

	reading->form = what->form;
	reading->revisions = counts->revisions;
	reading->others = counts->others;
	reading->broken = counts->broken;
	reading->errors = counts->errors;
	reading->oversized = what->oversized;
	reading->broken_line = what->broken_line;
	snprintf(reading->other_kind, sizeof(reading->other_kind), "%.*s", (int)counts->other_kind.len,
		counts->other_kind.len ? counts->other_kind.data : "");
	kev_error_set(&reading->broken_why, "%s", counts->why);
	kev_error_set(&reading->failure, "%s", counts->failure);
}

static int read_all(void *context)
{
	struct reading *reading = context;

	return kev_dump_examine(
		reading->path, reading->store, reading->namespaces, on_found, reading, &reading->why);
}

static void destroy_reading(struct reading *reading)
{
	if (!reading)
		return;
	kev_store_destroy(reading->store);
	kev_changes_destroy(reading->changes);
	free(reading);
}

/* @return new, or NULL on ENOMEM */
static struct reading *create_reading(const struct kev_check *check)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	if (!reading)
		return NULL;
	reading->path = check->dump;
	reading->namespaces = (const char *const *)check->options->namespaces;
	reading->changes = kev_changes_create(CHANGES_MAX);
	reading->store = reading->changes ? kev_store_create(check->clock, reading->changes) : NULL;
	if (reading->store)
		return reading;
	destroy_reading(reading);
	return NULL;
}

/* ---- lines ---- */

static const char *form_of(enum kev_form form)
{
	switch (form) {
	case KEV_FORM_RECORDING:
		return "a recording of a watch";
	case KEV_FORM_EVENTS:
		return "single Events, one behind the other";
	case KEV_FORM_LIST:
		break;
	}
	return "a list, as kubectl get events -A -o json prints it";
}

static void report_contents(struct kev_check *check, const struct reading *reading)
{
	struct kev_store_counts counts;

	kev_store_counts(reading->store, &counts);
	kev_check_ok(&check->report, "file", "%s: %s", kev_source_name(check->dump), form_of(reading->form));
	if (!counts.events)
		kev_check_warn(&check->report, "events", "is it the right file, and the right namespace=?",
			"there are none");
	else if (reading->form == KEV_FORM_LIST)
		kev_check_ok(&check->report, "events", "%zu", counts.events);
	else
		kev_check_ok(&check->report, "events", "%zu are there in the end, of %zu revisions",
			counts.events, reading->revisions);
}

static void report_left_out(struct kev_check *check, const struct reading *reading)
{
	if (reading->others)
		kev_check_warn(&check->report, "left out", NULL,
			"%zu objects that are no Events; the first is a %s", reading->others,
			reading->other_kind);
	if (reading->broken)
		kev_check_warn(&check->report, "left out", NULL, "%zu objects that make no sense: %s",
			reading->broken, reading->broken_why.text);
	if (reading->oversized)
		kev_check_warn(&check->report, "left out", NULL, "%zu objects that are too large",
			reading->oversized);
	if (reading->broken_line)
		kev_check_warn(&check->report, "left out", NULL,
			"the end, which is broken off, from line %llu on",
			(unsigned long long)reading->broken_line);
	if (reading->errors)
		kev_check_warn(&check->report, "recording", NULL, "the recorded watch failed %zu times: %s",
			reading->errors, reading->failure.text);
}

/* Any one will do. */
static int on_event(void *context, struct kev_event *event)
{
	struct kev_event **sample = context;

	*sample = kev_event_ref(event);
	return 1;
}

static void report_sample(struct kev_check *check, struct kev_store *store)
{
	KEV_CLEANUP(event_unrefp) struct kev_event *sample = NULL;
	const struct kev_store_visitor visitor = {.event = on_event, .context = &sample};
	struct kev_kinds *kinds = kev_store_kinds(store);

	if (kev_store_walk(store, &visitor) == 1)
		kev_check_sample_event(check, kinds, sample);
	kev_kinds_unref(kinds);
}

void kev_check_file(struct kev_check *check)
{
	struct reading *reading = create_reading(check);
	int r = reading ? kev_check_bounded(check, 0, read_all, reading) : -ENOMEM;

	if (r == -ENOMEM)
		kev_check_fail(&check->report, KEV_CHECK_INTERNAL, "memory", NULL, "%s", strerror(ENOMEM));
	else if (r == -ETIMEDOUT)
		kev_check_fail(&check->report, KEV_CHECK_FILE, "file",
			"nobody writes into the pipe, or it is large: -o sync_timeout= gives it more time",
			"%s: not read to its end within %u s", kev_source_name(check->dump),
			check->options->sync_timeout);
	else if (r)
		kev_check_fail(&check->report, KEV_CHECK_FILE, "file", NULL, "%s", reading->why.text);
	if (r == -ETIMEDOUT)
		return;
	if (!r) {
		report_contents(check, reading);
		report_left_out(check, reading);
		report_sample(check, reading->store);
	}
	destroy_reading(reading);
}
