#include "kevfs/tree/metrics.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/text.h"

/* What a label's value becomes when it is escaped at most. */
#define LABEL_MAX (1U << 20)

/* What is told, as of one moment. */
struct metrics {
	struct kev_buf *out;
	struct kev_meter *meter;
	int64_t now; /* monotonic */
	struct kev_health_state state;
	struct kev_health_detail *watches;
	size_t watch_count;
};

/* One family of samples begins: they stand behind each other. */
static void begin(struct metrics *m, const char *name, const char *type, const char *help)
{
	kev_buf_printf(m->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_number(struct metrics *m, const char *name, uint64_t value)
{
	kev_buf_printf(m->out, "%s %llu\n", name, (unsigned long long)value);
}

static void put_seconds(struct metrics *m, const char *name, int64_t ns)
{
	kev_buf_printf(m->out, "%s %lld.%09lld\n", name, (long long)(ns / KEV_NS_PER_SEC),
		(long long)(ns % KEV_NS_PER_SEC));
}

static void put_gauge(struct metrics *m, const char *name, const char *help, uint64_t value)
{
	begin(m, name, "gauge", help);
	put_number(m, name, value);
}

static void put_time(struct metrics *m, const char *name, const char *help, int64_t ns)
{
	begin(m, name, "gauge", help);
	put_seconds(m, name, ns > 0 ? ns : 0);
}

static void put_counter(struct metrics *m, const char *name, const char *help, uint64_t value)
{
	begin(m, name, "counter", help);
	put_number(m, name, value);
}

/* A label's value, in quotes. Any bytes: what is for nobody's eyes becomes \xNN, as in the log; then the
 * format's own escapes are all that is left to do. */
static void put_quoted(struct metrics *m, const char *text)
{
	KEV_CLEANUP(buf_fini) struct kev_buf clean;

	kev_buf_init(&clean, LABEL_MAX);
	kev_text_append_escaped(&clean, kev_str_c(text));
	if (clean.error)
		m->out->error = clean.error;
	kev_buf_append_char(m->out, '"');
	for (size_t i = 0; i < clean.len; i++) {
		if (clean.data[i] == '"' || clean.data[i] == '\\')
			kev_buf_append_char(m->out, '\\');
		kev_buf_append_char(m->out, clean.data[i]);
	}
	kev_buf_append_char(m->out, '"');
}

/* Of all namespaces: an empty one, which is the same to Prometheus as none. */
static void put_watch_labels(struct metrics *m, const struct kev_health_detail *watch)
{
	kev_buf_printf(m->out, "{resource=\"%s\",namespace=", kev_health_kind_name(watch->kind));
	put_quoted(m, watch->namespace_ ? watch->namespace_ : "");
	kev_buf_append_char(m->out, '}');
}

static void put_memory(struct metrics *m)
{
	const struct mallinfo2 info = mallinfo2();

	put_gauge(m, "kevfs_memory_used_bytes", "Memory that is allocated: what grows with what is kept.",
		info.uordblks + info.hblkhd);
	put_gauge(m, "kevfs_memory_free_bytes",
		"Memory that was allocated, and may be again; the system has some of it.", info.fordblks);
}

static void put_store(struct metrics *m, struct kev_store *store)
{
	struct kev_store_counts counts;

	kev_store_counts(store, &counts);
	put_gauge(m, "kevfs_events", "Events that are shown.", counts.events);
	put_gauge(m, "kevfs_events_retained", "Events of these that the API server no longer has.",
		counts.retained);
	put_counter(m, "kevfs_events_evicted_total",
		"How often an Event was let go, or did not come in, for max_events= or max_bytes=.",
		counts.evicted);
	put_gauge(m, "kevfs_pods", "Pods that are known.", counts.pods);
	put_gauge(m, "kevfs_namespaces", "Namespaces that are known.", counts.namespaces);
	put_gauge(m, "kevfs_event_bytes", "Size of all Events' files.", counts.event_bytes);
	put_gauge(m, "kevfs_event_retained_bytes", "Size of the files of Events that are retained.",
		counts.retained_bytes);
}

static void put_sync(struct metrics *m)
{
	put_time(m, "kevfs_start_time_seconds", "When kevfs began, since the epoch.", m->state.started);
	put_gauge(m, "kevfs_synced", "Whether the first sync is complete.", m->state.synced);
	if (m->state.synced_at)
		put_time(m, "kevfs_synced_timestamp_seconds",
			"When the first sync was complete, since the epoch.", m->state.synced_at);
	put_gauge(m, "kevfs_stale", "Whether there can be Events that are not shown.", m->state.stale);
	begin(m, "kevfs_feed_late_seconds", "gauge",
		"How long ago the thread that follows the cluster was to go on, and does not. Mostly 0.");
	put_seconds(m, "kevfs_feed_late_seconds", kev_meter_longest(m->meter, KEV_METER_FEEDING, m->now));
	put_time(m, "kevfs_stale_changed_timestamp_seconds",
		"When kevfs_synced or kevfs_stale became what it is, since the epoch.", m->state.since);
}

/* A sample for each watch of what one of them says. */

static void put_watch_up(struct metrics *m)
{
	begin(m, "kevfs_watch_up", "gauge", "Whether a watch is connected.");
	for (size_t i = 0; i < m->watch_count; i++) {
		kev_buf_append_c(m->out, "kevfs_watch_up");
		put_watch_labels(m, &m->watches[i]);
		put_number(m, "", m->watches[i].phase == KEV_HEALTH_WATCHING);
	}
}

static void put_watch_silence(struct metrics *m)
{
	begin(m, "kevfs_watch_silence_seconds", "gauge",
		"How long ago the last byte of a watch, or its list, was heard. Silence is normal for some "
		"minutes.");
	for (size_t i = 0; i < m->watch_count; i++) {
		if (m->watches[i].silence < 0)
			continue;
		kev_buf_append_c(m->out, "kevfs_watch_silence_seconds");
		put_watch_labels(m, &m->watches[i]);
		put_seconds(m, "", m->watches[i].silence);
	}
}

static void put_watch_counters(struct metrics *m, const char *name, const char *help,
	uint64_t (*get)(const struct kev_health_detail *watch))
{
	begin(m, name, "counter", help);
	for (size_t i = 0; i < m->watch_count; i++) {
		kev_buf_append_c(m->out, name);
		put_watch_labels(m, &m->watches[i]);
		put_number(m, "", get(&m->watches[i]));
	}
}

static uint64_t get_reconnects(const struct kev_health_detail *watch)
{
	return watch->reconnects;
}

static uint64_t get_relists(const struct kev_health_detail *watch)
{
	return watch->relists;
}

static uint64_t get_bytes(const struct kev_health_detail *watch)
{
	return watch->bytes;
}

/* How many watches there are of a kind, in a state. */
static unsigned count_watches(const struct metrics *m, enum kev_scope_kind kind, enum kev_health_phase phase)
{
	unsigned count = 0;

	for (size_t i = 0; i < m->watch_count; i++)
		count += m->watches[i].kind == kind && m->watches[i].phase == phase;
	return count;
}

static void put_kinds(struct metrics *m)
{
	begin(m, "kevfs_connected", "gauge",
		"Whether all watches of a resource are connected, but for those that the API server denies.");
	for (int kind = 0; kind < KEV_HEALTH_KINDS; kind++) {
		if (m->state.watches[kind].count)
			kev_buf_printf(m->out, "kevfs_connected{resource=\"%s\"} %d\n",
				kev_health_kind_name((enum kev_scope_kind)kind),
				m->state.watches[kind].connected);
	}
	begin(m, "kevfs_watches", "gauge", "Watches of a resource, by what they are at.");
	for (int kind = 0; kind < KEV_HEALTH_KINDS; kind++) {
		for (int phase = 0; m->state.watches[kind].count && phase < KEV_HEALTH_PHASES; phase++)
			kev_buf_printf(m->out, "kevfs_watches{resource=\"%s\",state=\"%s\"} %u\n",
				kev_health_kind_name((enum kev_scope_kind)kind),
				kev_health_phase_name((enum kev_health_phase)phase),
				count_watches(m, (enum kev_scope_kind)kind, (enum kev_health_phase)phase));
	}
}

/* A file has none. */
static void put_watches(struct metrics *m)
{
	if (!m->watch_count)
		return;
	put_kinds(m);
	put_watch_up(m);
	put_watch_silence(m);
	put_watch_counters(
		m, "kevfs_watch_reconnects_total", "How often a watch began anew.", get_reconnects);
	put_watch_counters(
		m, "kevfs_watch_relists_total", "How often the list of a watch began anew.", get_relists);
	put_watch_counters(m, "kevfs_watch_received_bytes_total",
		"Bytes of lists and watches, unpacked, without heads.", get_bytes);
}

static void put_intake(struct metrics *m)
{
	put_counter(m, "kevfs_objects_skipped_total",
		"Objects left out since they made no sense or were too large, each time that they came.",
		kev_meter_get(m->meter, KEV_METER_SKIPPED));
	put_counter(m, "kevfs_event_names_without_time_total",
		"Revisions of Events whose names hold no time.", kev_meter_get(m->meter, KEV_METER_UNTIMED));
}

/* The upper ends of the intervals, as they are usually written. */
static const char *const bounds[KEV_METER_BOUNDS + 1] = {
	"1e-05", "0.0001", "0.001", "0.01", "0.1", "1", "+Inf"};

static void put_histogram(struct metrics *m, enum kev_meter_operation operation)
{
	static const char name[] = "kevfs_fuse_operation_duration_seconds";
	const char *label = kev_meter_operation_name(operation);
	struct kev_meter_times times;
	uint64_t sum = 0;

	kev_meter_times(m->meter, operation, &times);
	for (int i = 0; i <= KEV_METER_BOUNDS; i++) {
		sum += times.counts[i];
		kev_buf_printf(m->out, "%s_bucket{operation=\"%s\",le=\"%s\"} %llu\n", name, label, bounds[i],
			(unsigned long long)sum);
	}
	kev_buf_printf(m->out, "%s_sum{operation=\"%s\"} %llu.%09llu\n", name, label,
		(unsigned long long)(times.ns / KEV_NS_PER_SEC),
		(unsigned long long)(times.ns % KEV_NS_PER_SEC));
	kev_buf_printf(m->out, "%s_count{operation=\"%s\"} %llu\n", name, label, (unsigned long long)sum);
}

static void put_operations(struct metrics *m)
{
	struct kev_meter_times times;

	begin(m, "kevfs_fuse_operation_duration_seconds", "histogram",
		"How long the kernel waited for the answer to a request. What it has in its caches it does "
		"not "
		"ask.");
	for (int i = 0; i < KEV_METER_OPERATIONS; i++)
		put_histogram(m, (enum kev_meter_operation)i);
	begin(m, "kevfs_fuse_errors_total", "counter",
		"Requests of the kernel that were answered with an error.");
	for (int i = 0; i < KEV_METER_OPERATIONS; i++) {
		kev_meter_times(m->meter, (enum kev_meter_operation)i, &times);
		kev_buf_printf(m->out, "kevfs_fuse_errors_total{operation=\"%s\"} %llu\n",
			kev_meter_operation_name((enum kev_meter_operation)i),
			(unsigned long long)times.failed);
	}
}

static void put_notifications(struct metrics *m)
{
	static const struct {
		const char *kind;
		enum kev_meter_counter counter;
	} kinds[] = {{"entry", KEV_METER_STALE_ENTRIES}, {"listing", KEV_METER_STALE_LISTINGS},
		{"attributes", KEV_METER_STALE_ATTRS}, {"tail", KEV_METER_STALE_TAILS},
		{"size", KEV_METER_STALE_SIZES}};

	begin(m, "kevfs_invalidations_total", "counter",
		"What the kernel was told to forget: what a name means, a listing, attributes, the end or "
		"the size "
		"of a log.");
	for (size_t i = 0; i < KEV_ARRAY_LEN(kinds); i++)
		kev_buf_printf(m->out, "kevfs_invalidations_total{kind=\"%s\"} %llu\n", kinds[i].kind,
			(unsigned long long)kev_meter_get(m->meter, kinds[i].counter));
	put_counter(m, "kevfs_invalidations_refused_total", "How often the kernel refused.",
		kev_meter_get(m->meter, KEV_METER_STALE_REFUSED));
	begin(m, "kevfs_invalidation_blocked_seconds", "gauge",
		"How long the kernel has not taken an invalidation, since a local reader holds the "
		"directory.");
	put_seconds(m, "kevfs_invalidation_blocked_seconds",
		kev_meter_longest(m->meter, KEV_METER_NOTIFYING, m->now));
	put_gauge(m, "kevfs_held_directories",
		"Directories of which the kernel cannot be told, since local readers hold them.",
		m->state.held.directories);
	put_counter(m, "kevfs_prefetched_files_total",
		"Events' files that the kernel was given before it asked for them.",
		kev_meter_get(m->meter, KEV_METER_PREFETCHED));
	put_counter(m, "kevfs_resyncs_total",
		"How often the tree was compared with all Events, since there were too many changes at once.",
		kev_meter_get(m->meter, KEV_METER_RESYNCS));
}

static void put_logs(struct metrics *m)
{
	put_counter(m, "kevfs_log_appended_total", "Records appended to events.log and events.jsonl.",
		kev_meter_get(m->meter, KEV_METER_LOG_APPENDED));
	put_counter(m, "kevfs_log_rotations_total", "How often the logs were rotated.",
		kev_meter_get(m->meter, KEV_METER_LOG_ROTATED));
	put_counter(m, "kevfs_log_missing_total", "Revisions that the logs lack.",
		kev_meter_get(m->meter, KEV_METER_LOG_MISSING));
}

static void put_history(struct metrics *m, struct kev_archive *archive)
{
	struct kev_archive_status status;

	if (!archive)
		return;
	kev_archive_status(archive, &status);
	put_counter(m, "kevfs_history_acknowledged_total",
		"Revisions that were written to the state directory, and that nothing takes back.",
		status.acknowledged);
	put_gauge(m, "kevfs_history_superseded", "Superseded revisions in the state directory.",
		status.past.superseded);
	put_gauge(
		m, "kevfs_history_failing", "Whether the state directory cannot be written.", status.failing);
}

int kev_metrics_write(struct kev_buf *out, const struct kev_report_source *source)
{
	struct metrics m = {.out = out,
		.meter = kev_store_meter(source->store),
		.now = kev_clock_monotonic(source->clock)};

	if (kev_health_details(source->about->health, &m.watches, &m.watch_count))
		return -ENOMEM;
	kev_health_get(source->about->health, &m.state);
	begin(&m, "kevfs_build_info", "gauge", "Which kevfs this is.");
	kev_buf_append_c(out, "kevfs_build_info{version=\"" KEVFS_VERSION "\"} 1\n");
	put_sync(&m);
	put_store(&m, source->store);
	put_memory(&m);
	put_watches(&m);
	put_intake(&m);
	put_operations(&m);
	put_notifications(&m);
	put_logs(&m);
	put_history(&m, source->about->archive);
	free(m.watches);
	return out->error;
}
