#include "kevfs/tree/report.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/text.h"
#include "kevfs/event/timestamp.h"

/* A source and an error for each kind, all of them escaped twice, are far below. */
#define REPORT_MAX (1U << 20)

struct kev_report {
	_Atomic uint32_t references;
	int64_t when; /* ns since the epoch */
	struct kev_buf text;
};

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
	kev_buf_init(&clean, REPORT_MAX);
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

static void put_watch(struct object *watches, const char *name, const struct kev_health_watch *watch)
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
	end_object(&object);
}

static void put_watches(struct object *report, const struct kev_health_state *state)
{
	struct object watches;

	begin_member(report, "watches");
	watches = begin_object(report->out, report->depth + 1);
	put_watch(&watches, "events", &state->watches[KEV_SCOPE_EVENTS]);
	put_watch(&watches, "pods", &state->watches[KEV_SCOPE_PODS]);
	put_watch(&watches, "namespaces", &state->watches[KEV_SCOPE_NAMESPACES]);
	end_object(&watches);
}

static const char *last_error(const struct kev_health_state *state)
{
	const struct kev_health_watch *last = &state->watches[0];

	for (size_t i = 1; i < KEV_HEALTH_KINDS; i++) {
		if (state->watches[i].error_time > last->error_time)
			last = &state->watches[i];
	}
	return last->error.text;
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

static int write_report(struct kev_buf *out, struct kev_store *store, const struct kev_tree_about *about)
{
	struct kev_store_counts counts;
	struct kev_health_state state;
	struct object report;

	kev_health_get(about->health, &state);
	kev_store_counts(store, &counts);
	report = begin_object(out, 1);
	put_string(&report, "version", KEVFS_VERSION);
	put_string(&report, "source", about->source);
	put_string(&report, "mtime", about->mtime_last ? "last" : "name");
	put_time(&report, "started", state.started);
	put_bool(&report, "synced", state.synced);
	put_bool(&report, "stale", state.stale);
	put_time(&report, "since", state.since);
	put_string(&report, "last_error", last_error(&state));
	put_number(&report, "events", counts.events);
	put_number(&report, "retained", counts.retained);
	put_number(&report, "pods", counts.pods);
	put_number(&report, "namespaces", counts.namespaces);
	put_watches(&report, &state);
	if (about->archive)
		put_history(&report, about->archive);
	end_object(&report);
	return kev_buf_append_char(out, '\n');
}

struct kev_report *kev_report_create(
	struct kev_store *store, const struct kev_tree_about *about, const struct kev_clock *clock)
{
	struct kev_report *report = calloc(1, sizeof(*report));

	if (!report)
		return NULL;
	atomic_init(&report->references, 1);
	report->when = kev_clock_realtime(clock);
	kev_buf_init(&report->text, REPORT_MAX);
	if (write_report(&report->text, store, about) == 0)
		return report;
	kev_report_unref(report);
	return NULL;
}

static void ref(void *item)
{
	struct kev_report *report = item;

	atomic_fetch_add_explicit(&report->references, 1, memory_order_relaxed);
}

void kev_report_unref(struct kev_report *report)
{
	if (!report || atomic_fetch_sub_explicit(&report->references, 1, memory_order_acq_rel) != 1)
		return;
	kev_buf_fini(&report->text);
	free(report);
}

static void unref(void *item)
{
	kev_report_unref(item);
}

struct kev_str kev_report_text(const struct kev_report *report)
{
	return kev_buf_str(&report->text);
}

/* The role. */

static uint64_t report_ino(const void *item)
{
	(void)item;
	return KEV_INO_REPORT;
}

static void report_attr(const void *item, struct kev_attr *out)
{
	const struct kev_report *report = item;

	out->size = report->text.len;
	out->mtime = out->ctime = report->when;
}

static ssize_t report_read(void *data, uint64_t offset, void *out, size_t len)
{
	struct kev_str text = kev_report_text(data);

	if (offset >= text.len)
		return 0;
	if (len > text.len - offset)
		len = text.len - (size_t)offset;
	memcpy(out, text.data + offset, len);
	return (ssize_t)len;
}

static int report_content(void *item, uint64_t offset, size_t len, struct kev_content *out)
{
	(void)offset, (void)len;
	ref(item);
	*out = (struct kev_content){report_read, unref, item};
	return 0;
}

const struct kev_role kev_role_report = {
	.type = KEV_NODE_FILE,
	.early = true,
	.ino = report_ino,
	.attr = report_attr,
	.content = report_content,
	.hold = ref,
	.drop = unref,
};
