#include "kevfs/watch/recorded.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/log.h"
#include "kevfs/event/json.h"

/* Kinds have at most 63 bytes. */
#define KIND_MAX 256

/* So much of a foreign message is told. */
#define MESSAGE_MAX 300

struct kev_recorded {
	struct kev_store *store; /* NULL: only look */
	enum kev_form form;
	const char *const *namespaces; /* only these; NULL: all */
	struct kev_json *json;
	struct kev_intern *words; /* a reference */
	struct kev_metadata metadata;
	struct kev_envelope envelope;   /* of the line at hand */
	struct kev_objects_where where; /* it begins */
	bool is_event;                  /* it says something of an Event */
	struct kev_buf kind;            /* of the object at hand */
	struct kev_buf other_kind;      /* the first that is no Event */
	size_t revisions;               /* that were put */
	size_t others;                  /* objects of another kind */
	size_t broken;                  /* objects that make no sense */
	struct kev_error why;           /* why the first of those makes none */
	size_t errors;                  /* ERROR lines */
	struct kev_error failure;       /* what the first of those says */
};

struct kev_recorded *kev_recorded_create(struct kev_store *store, enum kev_form form)
{
	struct kev_recorded *recorded = calloc(1, sizeof(*recorded));

	if (!recorded)
		return NULL;
	recorded->store = store;
	recorded->form = form;
	kev_metadata_init(&recorded->metadata);
	kev_buf_init(&recorded->kind, KIND_MAX);
	kev_buf_init(&recorded->other_kind, KIND_MAX);
	recorded->words = store ? kev_intern_ref(kev_store_words(store)) : kev_intern_create();
	recorded->json = kev_json_create();
	if (recorded->words && recorded->json)
		return recorded;
	kev_recorded_destroy(recorded);
	return NULL;
}

void kev_recorded_destroy(struct kev_recorded *recorded)
{
	if (!recorded)
		return;
	kev_json_destroy(recorded->json);
	kev_intern_unref(recorded->words);
	kev_metadata_fini(&recorded->metadata);
	kev_buf_fini(&recorded->kind);
	kev_buf_fini(&recorded->other_kind);
	free(recorded);
}

int kev_recorded_select(struct kev_recorded *recorded, const char *const *namespaces, struct kev_error *error)
{
	int r = 0;

	recorded->namespaces = namespaces;
	for (; namespaces && *namespaces && recorded->store && !r; namespaces++) {
		r = kev_store_put_namespace(recorded->store, kev_str_c(*namespaces), 0);
		if (r == -EINVAL)
			kev_error_set(error, "\"%s\" is no name of a namespace", *namespaces);
	}
	return r;
}

static bool is_selected(const struct kev_recorded *recorded, const struct kev_event *event)
{
	const char *const *name = recorded->namespaces;

	while (name && *name && !kev_str_eq(kev_str_c(*name), kev_event_namespace(event)))
		name++;
	return !name || *name;
}

/* Is the object of another kind? Those of an EventList say none. @return 1, 0 or -ENOMEM */
static int is_other(struct kev_recorded *recorded, uint32_t object)
{
	int r;

	kev_buf_clear(&recorded->kind);
	r = kev_envelope_kind(recorded->json, object, &recorded->kind);
	if (r == -ENOMEM)
		return r;
	return r != -EINVAL && !kev_str_eq(kev_buf_str(&recorded->kind), KEV_STR("Event"));
}

static void leave_out_other(struct kev_recorded *recorded)
{
	if (recorded->others++ == 0)
		(void)kev_buf_append_str(&recorded->other_kind, kev_buf_str(&recorded->kind));
}

/* Who only looks leaves out nothing. */
static void count_skipped(const struct kev_recorded *recorded, size_t count)
{
	if (recorded->store)
		kev_meter_add(kev_store_meter(recorded->store), KEV_METER_SKIPPED, count);
}

static void leave_out_broken(struct kev_recorded *recorded, const struct kev_error *why)
{
	count_skipped(recorded, 1);
	if (recorded->broken++ > 0)
		return;
	recorded->why = *why;
	if (recorded->where.line)
		kev_error_prefix(&recorded->why, "line %" PRIu64, recorded->where.line);
}

static int put(
	struct kev_recorded *recorded, uint32_t object, enum kev_origin origin, struct kev_error *error)
{
	KEV_CLEANUP(event_unrefp) struct kev_event *event = NULL;
	struct kev_event *taken;
	int r = kev_event_create(recorded->json, object, recorded->words, &event, error);

	if (r || !is_selected(recorded, event))
		return r;
	recorded->revisions++;
	if (!recorded->store)
		return 0;
	taken = event;
	event = NULL;
	return kev_store_put(recorded->store, taken, origin);
}

/* @return 0, -ENOMEM, or another error: it has no usable name */
static int remove_event(struct kev_recorded *recorded, uint32_t object)
{
	const struct kev_metadata *metadata = &recorded->metadata;
	KEV_CLEANUP(event_unrefp) struct kev_event *event = NULL;
	struct kev_event_room room;
	int r = kev_metadata_read(&recorded->metadata, recorded->json, object);

	/* An Event's name, unlike any other, may be of any length. */
	if (r == -EMSGSIZE) {
		r = kev_event_create(recorded->json, object, recorded->words, &event, NULL);
		if (r == 0 && recorded->store)
			kev_store_delete(
				recorded->store, kev_event_namespace(event), kev_event_name(event, &room));
	} else if (r == 0 && recorded->store) {
		kev_store_delete(
			recorded->store, kev_buf_str(&metadata->namespace_), kev_buf_str(&metadata->name));
	}
	return r;
}

int kev_recorded_item(struct kev_recorded *recorded, struct kev_str item)
{
	struct kev_error error = {""};
	int r = kev_json_scan(recorded->json, item, &error), other;

	if (r == 0) {
		other = is_other(recorded, 0);
		if (other < 0)
			return other;
		if (other) {
			leave_out_other(recorded);
			return 0;
		}
		r = put(recorded, 0, KEV_ORIGIN_FIRST_SYNC, &error);
	}
	if (r && r != -ENOMEM)
		leave_out_broken(recorded, &error);
	return r == -ENOMEM ? r : 0;
}

static bool puts_object(enum kev_envelope_type type)
{
	return type == KEV_ENVELOPE_ADDED || type == KEV_ENVELOPE_MODIFIED;
}

/* Read what the line says of its Event. @return 0 or -ENOMEM */
static int read_line(struct kev_recorded *recorded, struct kev_recorded_line *out)
{
	uint32_t object = recorded->envelope.object;
	enum kev_envelope_type type = recorded->envelope.type;
	struct kev_recorded_line line = {.type = type};
	int r;

	recorded->is_event = false;
	if (puts_object(type) || type == KEV_ENVELOPE_DELETED) {
		r = is_other(recorded, object);
		if (r < 0)
			return r;
		recorded->is_event = line.is_event = !r;
	}
	if (type == KEV_ENVELOPE_BOOKMARK)
		line.is_initial_end = kev_envelope_is_initial_end(recorded->json, object);
	if (line.is_event && puts_object(type) &&
		kev_event_latest_time(recorded->json, object, &line.time) != 0)
		line.time = 0;
	if (line.is_event && type == KEV_ENVELOPE_ADDED) {
		r = kev_metadata_read(&recorded->metadata, recorded->json, object);
		if (r == -ENOMEM)
			return r;
		line.metadata = r ? NULL : &recorded->metadata;
	}
	*out = line;
	return 0;
}

/* As a line over the cap, which does not come here: nothing is to be done then. */
static void leave_out_oversized(
	struct kev_recorded *recorded, struct kev_recorded_line *out, struct kev_error *why)
{
	leave_out_broken(recorded, why);
	recorded->is_event = false;
	recorded->envelope = (struct kev_envelope){.type = KEV_ENVELOPE_BOOKMARK};
	*out = (struct kev_recorded_line){.type = KEV_ENVELOPE_BOOKMARK};
}

static int read_watch_line(struct kev_recorded *recorded, struct kev_error *error)
{
	if (kev_envelope_read(recorded->json, &recorded->envelope) == 0)
		return 0;
	kev_error_set(error, "no line of a watch: it has no \"type\" and \"object\"");
	return -EINVAL;
}

/* What holds Events, and is none, would be left out as an object of another kind: all that it holds. */
static int read_single(struct kev_recorded *recorded, struct kev_error *error)
{
	const struct kev_json *json = recorded->json;
	struct kev_envelope envelope;

	if (kev_envelope_read(json, &envelope) == 0 || kev_json_get(json, 0, "items") != KEV_JSON_NONE) {
		kev_error_set(error, "no single Event, as those before it are: a %s",
			kev_json_get(json, 0, "items") != KEV_JSON_NONE ? "list" : "line of a watch");
		return -EINVAL;
	}
	recorded->envelope = (struct kev_envelope){.type = KEV_ENVELOPE_MODIFIED, .object = 0};
	return 0;
}

int kev_recorded_scan(struct kev_recorded *recorded, struct kev_str text,
	const struct kev_objects_where *where, struct kev_recorded_line *out, struct kev_error *error)
{
	int r = kev_json_scan(recorded->json, text, error);

	recorded->where = *where;
	if (r == -E2BIG) {
		leave_out_oversized(recorded, out, error);
		return 0;
	}
	if (!r)
		r = recorded->form == KEV_FORM_EVENTS ? read_single(recorded, error)
						      : read_watch_line(recorded, error);
	return r ? r : read_line(recorded, out);
}

static void note_failure(struct kev_recorded *recorded)
{
	const struct kev_json *json = recorded->json;
	uint32_t message = kev_json_get(json, recorded->envelope.object, "message");
	struct kev_str text = KEV_STR("it says not why");

	if (recorded->errors++ > 0)
		return;
	if (kev_json_is(json, message, KEV_JSON_STRING))
		text = kev_json_raw(json, message);
	kev_error_set(&recorded->failure, "line %" PRIu64 ": %.*s", recorded->where.line,
		(int)(text.len < MESSAGE_MAX ? text.len : MESSAGE_MAX), text.data);
}

/* What cannot be shown must not leave its older revision standing as if it were the newest. @return 0 or
 * -ENOMEM */
static int give_up(struct kev_recorded *recorded, const struct kev_error *error)
{
	leave_out_broken(recorded, error);
	return remove_event(recorded, recorded->envelope.object) == -ENOMEM ? -ENOMEM : 0;
}

static int apply_to_event(struct kev_recorded *recorded, enum kev_origin origin)
{
	struct kev_error error = {""};
	int r;

	if (recorded->envelope.type == KEV_ENVELOPE_DELETED) {
		r = remove_event(recorded, recorded->envelope.object);
		if (r == 0 || r == -ENOMEM)
			return r;
		kev_error_set(&error, "a deletion without a usable name");
		leave_out_broken(recorded, &error);
		return 0;
	}
	r = put(recorded, recorded->envelope.object, origin, &error);
	return r == 0 || r == -ENOMEM ? r : give_up(recorded, &error);
}

int kev_recorded_apply(struct kev_recorded *recorded, enum kev_origin origin)
{
	struct kev_error error = {""};

	if (recorded->is_event)
		return apply_to_event(recorded, origin);
	switch (recorded->envelope.type) {
	case KEV_ENVELOPE_ADDED:
	case KEV_ENVELOPE_MODIFIED:
	case KEV_ENVELOPE_DELETED:
		leave_out_other(recorded);
		break;
	case KEV_ENVELOPE_UNKNOWN:
		kev_error_set(&error, "a watch line of an unknown type");
		leave_out_broken(recorded, &error);
		break;
	case KEV_ENVELOPE_ERROR:
		note_failure(recorded);
		break;
	case KEV_ENVELOPE_BOOKMARK:
		break;
	}
	return 0;
}

void kev_recorded_count(const struct kev_recorded *recorded, struct kev_recorded_counts *out)
{
	*out = (struct kev_recorded_counts){.revisions = recorded->revisions,
		.others = recorded->others,
		.other_kind = kev_buf_str(&recorded->other_kind),
		.broken = recorded->broken,
		.why = recorded->why.text,
		.errors = recorded->errors,
		.failure = recorded->failure.text};
}

void kev_recorded_report(const struct kev_recorded *recorded, const char *path, size_t oversized)
{
	count_skipped(recorded, oversized);
	if (recorded->others)
		kev_log_warning("%s: left out %zu items that are no Events (the first is a %.*s)", path,
			recorded->others, (int)recorded->other_kind.len,
			recorded->other_kind.data ? recorded->other_kind.data : "");
	if (recorded->broken)
		kev_log_warning("%s: left out %zu items that make no sense: %s", path, recorded->broken,
			recorded->why.text);
	if (oversized)
		kev_log_warning("%s: left out %zu items that are too large", path, oversized);
	if (recorded->errors)
		kev_log_warning("%s: the recorded watch failed %zu times: %s", path, recorded->errors,
			recorded->failure.text);
}
