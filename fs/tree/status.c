#include "kevfs/tree/status.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/text.h"
#include "kevfs/event/timestamp.h"

/* What a string becomes when it is escaped at most. */
#define STRING_MAX (1U << 20)

/* A JSON object that is being written, a member a line, as kubectl indents it. */
struct object {
	struct kev_buf *out;
	unsigned depth;
	bool empty;
};

static void begin_member(struct object *object, const char *name)
{
	kev_buf_append_c(object->out, object->empty ? "\n" : ",\n");
	kev_buf_append_fill(object->out, ' ', (size_t)object->depth * 4);
	kev_buf_printf(object->out, "\"%s\": ", name);
	object->empty = false;
}

static struct object begin_object(struct kev_buf *out, unsigned depth)
{
	kev_buf_append_char(out, '{');
	return (struct object){out, depth, true};
}

static void end_object(struct object *object)
{
	if (!object->empty) {
		kev_buf_append_char(object->out, '\n');
		kev_buf_append_fill(object->out, ' ', (size_t)(object->depth - 1) * 4);
	}
	kev_buf_append_char(object->out, '}');
}

/* Any bytes. What is for nobody's eyes becomes \xNN, as in the log; then JSON's own escapes are all that is
 * left to do. */
static void put_string(struct object *object, const char *name, const char *text)
{
	KEV_CLEANUP(buf_fini) struct kev_buf clean;

	begin_member(object, name);
	kev_buf_init(&clean, STRING_MAX);
	kev_text_append_escaped(&clean, kev_str_c(text));
	if (clean.error)
		object->out->error = clean.error;
	kev_buf_append_char(object->out, '"');
	for (size_t i = 0; i < clean.len; i++) {
		if (clean.data[i] == '"' || clean.data[i] == '\\')
			kev_buf_append_char(object->out, '\\');
		kev_buf_append_char(object->out, clean.data[i]);
	}
	kev_buf_append_char(object->out, '"');
}

static void put_bool(struct object *object, const char *name, bool value)
{
	begin_member(object, name);
	kev_buf_append_c(object->out, value ? "true" : "false");
}

static void put_number(struct object *object, const char *name, uint64_t value)
{
	begin_member(object, name);
	kev_buf_printf(object->out, "%llu", (unsigned long long)value);
}

static void put_time(struct object *object, const char *name, int64_t ns)
{
	char text[KEV_TIMESTAMP_SIZE];

	begin_member(object, name);
	kev_timestamp_format(ns > 0 ? ns : 0, text);
	kev_buf_printf(object->out, "\"%s\"", text);
}

/* A time that there may not have been. */
static void put_time_or_null(struct object *object, const char *name, int64_t ns)
{
	if (ns > 0) {
		put_time(object, name, ns);
		return;
	}
	begin_member(object, name);
	kev_buf_append_c(object->out, "null");
}

/* In seconds. */
static void put_duration(struct object *object, const char *name, int64_t ns)
{
	begin_member(object, name);
	if (ns < 0)
		kev_buf_append_c(object->out, "null");
	else
		kev_buf_printf(object->out, "%lld.%03lld", (long long)(ns / KEV_NS_PER_SEC),
			(long long)(ns % KEV_NS_PER_SEC / KEV_NS_PER_MS));
}

/* All watches there are. */
struct details {
	struct kev_health_detail *items;
	size_t count;
};

static void put_detail(struct object *object, const struct kev_health_detail *detail)
{
	if (detail->namespace_) {
		put_string(object, "namespace", detail->namespace_);
	} else {
		begin_member(object, "namespace");
		kev_buf_append_c(object->out, "null");
	}
	put_string(object, "state", kev_health_phase_name(detail->phase));
	put_time(object, "since", detail->since);
	put_string(object, "resource_version", detail->resource_version);
	put_duration(object, "seconds_since_last_byte", detail->silence);
	put_number(object, "received_bytes", detail->bytes);
	put_number(object, "reconnects", detail->reconnects);
	put_number(object, "relists", detail->relists);
	put_string(object, "last_error", detail->error.text);
	put_time_or_null(object, "last_error_time", detail->error_time);
}

/* Each watch of a kind. */
static void put_each(struct object *parent, const struct details *details, enum kev_scope_kind kind)
{
	bool empty = true;

	begin_member(parent, "each");
	kev_buf_append_char(parent->out, '[');
	for (size_t i = 0; i < details->count; i++) {
		struct object object;

		if (details->items[i].kind != kind)
			continue;
		kev_buf_append_c(parent->out, empty ? "\n" : ",\n");
		kev_buf_append_fill(parent->out, ' ', ((size_t)parent->depth + 1) * 4);
		object = begin_object(parent->out, parent->depth + 2);
		put_detail(&object, &details->items[i]);
		end_object(&object);
		empty = false;
	}
	if (!empty) {
		kev_buf_append_char(parent->out, '\n');
		kev_buf_append_fill(parent->out, ' ', (size_t)parent->depth * 4);
	}
	kev_buf_append_char(parent->out, ']');
}

static void put_watch(struct object *watches, const char *name, const struct kev_health_watch *watch,
	const struct details *details, enum kev_scope_kind kind)
{
	struct object object;

	if (!watch->count)
		return;
	begin_member(watches, name);
	object = begin_object(watches->out, watches->depth + 1);
	put_bool(&object, "connected", watch->connected);
	put_time(&object, "since", watch->since);
	put_number(&object, "reconnects", watch->reconnects);
	put_number(&object, "relists", watch->relists);
	put_string(&object, "last_error", watch->error.text);
	put_number(&object, "count", watch->count);
	put_number(&object, "denied", watch->denied);
	put_each(&object, details, kind);
	end_object(&object);
}

static void put_watches(
	struct object *report, const struct kev_health_state *state, const struct details *details)
{
	struct object watches;

	begin_member(report, "watches");
	watches = begin_object(report->out, report->depth + 1);
	for (int i = 0; i < KEV_HEALTH_KINDS; i++) {
		enum kev_scope_kind kind = (enum kev_scope_kind)i;

		put_watch(&watches, kev_health_kind_name(kind), &state->watches[kind], details, kind);
	}
	end_object(&watches);
}

static void put_history(struct object *report, struct kev_archive *archive)
{
	struct kev_archive_status status;
	struct object object;

	kev_archive_status(archive, &status);
	begin_member(report, "history");
	object = begin_object(report->out, report->depth + 1);
	put_number(&object, "acknowledged", status.acknowledged);
	put_string(&object, "resource_version", status.resource_version);
	put_number(&object, "superseded", status.past.superseded);
	put_bool(&object, "failing", status.failing);
	put_string(&object, "last_error", status.why.text);
	end_object(&object);
}

/* Directories of which local readers keep the kernel from being told; and what memory does. */
static void put_held(struct object *report, const struct kev_health_state *state)
{
	put_number(report, "held_directories", state->held.directories);
	if (state->held.directories)
		put_time(report, "held_since", state->held.since);
	put_bool(report, "halted", state->held.halted_since);
	if (state->held.halted_since)
		put_time(report, "halted_since", state->held.halted_since);
	put_bool(report, "behind", state->behind_since);
	if (state->behind_since)
		put_time(report, "behind_since", state->behind_since);
}

static void put_store(struct object *report, struct kev_store *store)
{
	struct kev_store_counts counts;

	kev_store_counts(store, &counts);
	put_number(report, "events", counts.events);
	put_number(report, "retained", counts.retained);
	put_number(report, "pods", counts.pods);
	put_number(report, "namespaces", counts.namespaces);
	put_number(report, "event_bytes", counts.event_bytes);
	put_number(report, "retained_bytes", counts.retained_bytes);
	put_number(report, "skipped", kev_meter_get(kev_store_meter(store), KEV_METER_SKIPPED));
	put_number(report, "evicted", counts.evicted);
	if (counts.evicted)
		put_time(report, "evicted_since", counts.evicted_since);
}

int kev_status_write(struct kev_buf *out, const struct kev_report_source *source)
{
	const struct kev_tree_about *about = source->about;
	struct details details = {NULL, 0};
	struct kev_health_state state;
	struct kev_error error;
	struct object report;

	if (kev_health_details(about->health, &details.items, &details.count))
		return -ENOMEM;
	kev_health_get(about->health, &state);
	kev_health_explain(&state, &error);
	report = begin_object(out, 1);
	put_string(&report, "version", KEVFS_VERSION);
	put_string(&report, "source", about->source);
	if (about->server)
		put_string(&report, "server", about->server);
	put_string(&report, "mtime", about->mtime_last ? "last" : "name");
	put_time(&report, "started", state.started);
	put_bool(&report, "synced", state.synced);
	put_time_or_null(&report, "synced_at", state.synced_at);
	put_bool(&report, "stale", state.stale);
	put_time(&report, "since", state.since);
	put_bool(&report, "connected", state.watches[KEV_SCOPE_EVENTS].connected);
	put_string(&report, "last_error", error.text);
	put_store(&report, source->store);
	put_held(&report, &state);
	put_watches(&report, &state, &details);
	if (about->archive)
		put_history(&report, about->archive);
	end_object(&report);
	free(details.items);
	return kev_buf_append_char(out, '\n');
}
