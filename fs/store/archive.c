#include "archive_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kevfs/base/log.h"
#include "kevfs/base/thread.h"

/* The journal. What it holds is mostly in the store as well; what is not takes so much memory at most. */
#define JOURNAL_MAX 65536
#define JOURNAL_BYTES_MAX (256ULL << 20)

/* Of a comparison and of a purge, as many as hold nothing up. */
#define COMPARE_BATCH 4096
#define PURGE_BATCH 1024

/* How long the thread sleeps at most, and at least between two purges. */
#define IDLE_MS 60000
#define PURGE_MS 100

/* Until the first sync was noted, it is asked about this often. */
#define SYNC_MS 500

/* After an error. */
#define RETRY_MS 2000

/* Another kevfs may still be writing down what it knows, when its mountpoint is free already. */
#define PATIENCE_MS 10000

bool kev_archive_is_there(void)
{
	return true;
}

int kev_archive_open(
	const struct kev_archive_config *config, struct kev_archive **out, struct kev_error *error)
{
	struct kev_archive *archive = calloc(1, sizeof(*archive));
	int r;

	if (!archive)
		return -ENOMEM;
	archive->config = *config;
	atomic_init(&archive->synced, false);
	pthread_mutex_init(&archive->lock, NULL);
	kev_thread_cond_init(&archive->cond);
	archive->changes = kev_changes_create(JOURNAL_MAX);
	r = archive->changes ? kev_history_open(config->directory, &config->view, PATIENCE_MS,
				       &archive->history, error)
			     : -ENOMEM;
	if (r) {
		kev_archive_destroy(archive);
		return r;
	}
	kev_changes_limit_bytes(archive->changes, JOURNAL_BYTES_MAX);
	archive->complete = kev_history_complete(archive->history);
	*out = archive;
	return 0;
}

int kev_archive_look(const char *directory, const struct kev_history_view *view, struct kev_error *error)
{
	return kev_history_look(directory, view, error);
}

bool kev_archive_complete(const struct kev_archive *archive)
{
	return archive->complete;
}

/* ---- the thread ---- */

static int64_t realtime(const struct kev_archive *archive)
{
	return kev_clock_realtime(archive->config.clock);
}

static bool is_stopping(struct kev_archive *archive)
{
	bool stopping;

	pthread_mutex_lock(&archive->lock);
	stopping = archive->stopping;
	pthread_mutex_unlock(&archive->lock);
	return stopping;
}

/* Sleep, but not when it is to end. */
static void pause_ms(struct kev_archive *archive, int ms)
{
	const struct timespec until = kev_thread_deadline(ms * KEV_NS_PER_MS);
	int r = 0;

	pthread_mutex_lock(&archive->lock);
	while (!archive->stopping && r == 0)
		r = pthread_cond_timedwait(&archive->cond, &archive->lock, &until);
	pthread_mutex_unlock(&archive->lock);
}

static int idle_ms(const struct kev_archive *archive)
{
	int64_t wait = archive->purge_wait / KEV_NS_PER_MS;

	if (!archive->complete && wait > SYNC_MS)
		return SYNC_MS;
	if (wait < PURGE_MS)
		return PURGE_MS;
	return wait < IDLE_MS ? (int)wait : IDLE_MS;
}

/* Wait for changes, and a little longer for more. */
static void gather(struct kev_archive *archive)
{
	/* Asked before the journal is: all that the first sync brought is in there by then. */
	bool resync = false, synced = atomic_load(&archive->synced);

	archive->count = kev_changes_take(archive->changes, archive->batch, BATCH_MAX,
		archive->compare ? 0 : idle_ms(archive), &resync);
	if (archive->count > 0 && archive->count < BATCH_MAX) {
		pause_ms(archive, BATCH_MS);
		archive->count += kev_changes_take(archive->changes, archive->batch + archive->count,
			BATCH_MAX - archive->count, 0, &resync);
	}
	/* What was taken is from before the loss. */
	archive->compare = archive->compare || resync;
	archive->whole = synced && archive->count < BATCH_MAX && !archive->compare;
}

static void drop_batch(struct kev_archive *archive)
{
	for (size_t i = 0; i < archive->count; i++)
		kev_change_fini(&archive->batch[i]);
	archive->count = 0;
}

static int append(struct kev_archive *archive, const struct kev_event *event, int64_t when)
{
	bool added = false;
	int r = kev_history_append(archive->history, event, when, &added, &archive->error);

	archive->added += added;
	return r;
}

static int write_change(struct kev_archive *archive, const struct kev_change *change)
{
	switch (change->kind) {
	case KEV_CHANGE_EVENT:
		if (change->event)
			return append(archive, change->event, change->when);
		return kev_history_remove(archive->history, change->old, &archive->error);
	case KEV_CHANGE_GONE:
		return kev_history_set_gone(archive->history, change->event, change->gone, &archive->error);
	case KEV_CHANGE_POD:
	case KEV_CHANGE_NAMESPACE:
	case KEV_CHANGE_ACCESS:
		break;
	}
	return 0;
}

static int write_kinds(struct kev_archive *archive)
{
	struct kev_kinds *kinds = kev_store_kinds(archive->config.store);
	int r;

	/* They are replaced as a whole. */
	if (kinds == archive->kinds) {
		kev_kinds_unref(kinds);
		return 0;
	}
	r = kev_history_save_kinds(archive->history, kinds, &archive->error);
	if (r) {
		kev_kinds_unref(kinds);
		return r;
	}
	kev_kinds_unref(archive->kinds);
	archive->kinds = kinds;
	return 0;
}

/* Whose events may be seen. */
struct access {
	bool restricted;
	struct kev_buf names;
};

static int note_restricted(void *context, bool restricted)
{
	((struct access *)context)->restricted = restricted;
	return 0;
}

static int note_permitted(void *context, struct kev_str namespace_)
{
	struct access *access = context;

	/* What does not fit cannot be seen until the server has answered. */
	if (kev_buf_reserve(&access->names, namespace_.len + 1) == -ENOMEM)
		return -ENOMEM;
	if (!access->names.error) {
		kev_buf_append_str(&access->names, namespace_);
		kev_buf_append_char(&access->names, '\0');
	}
	return 0;
}

static int write_access(struct kev_archive *archive)
{
	uint64_t changes = kev_store_access_changes(archive->config.store);
	struct access access = {.restricted = false};
	const struct kev_store_visitor visitor = {
		.restricted = note_restricted, .permitted = note_permitted, .context = &access};
	int r;

	if (archive->access_saved && archive->access == changes)
		return 0;
	kev_buf_init(&access.names, KEV_HISTORY_NAMES_MAX);
	r = kev_store_walk(archive->config.store, &visitor);
	if (!r)
		r = kev_history_save_access(
			archive->history, access.restricted, kev_buf_str(&access.names), &archive->error);
	kev_buf_fini(&access.names);
	archive->access = changes;
	archive->access_saved = r == 0;
	return r;
}

/* The resourceVersion of the last revision that the batch brought: borrowed from that, or from room. */
static struct kev_str last_revision(const struct kev_archive *archive, struct kev_event_room *room)
{
	for (size_t i = archive->count; i-- > 0;) {
		if (archive->batch[i].kind == KEV_CHANGE_EVENT && archive->batch[i].event)
			return kev_event_resource_version(archive->batch[i].event, room);
	}
	return KEV_STR("");
}

/* What was committed is told. */
static void acknowledge(struct kev_archive *archive, struct kev_str resource_version)
{
	struct kev_archive_status *status = &archive->status;
	size_t len = resource_version.len < sizeof(status->resource_version) - 1
			     ? resource_version.len
			     : sizeof(status->resource_version) - 1;
	uint64_t acknowledged;

	pthread_mutex_lock(&archive->lock);
	status->acknowledged += archive->added;
	acknowledged = status->acknowledged;
	if (len) {
		memcpy(status->resource_version, resource_version.data, len);
		status->resource_version[len] = '\0';
	}
	kev_history_counts(archive->history, &status->past);
	pthread_mutex_unlock(&archive->lock);
	archive->added = 0;
	if (len)
		kev_log_debug("history: %llu revisions acknowledged, the last one is %.*s",
			(unsigned long long)acknowledged, (int)len, resource_version.data);
}

/* What the limits no longer cover. While the wall clock is not believed, it is no time by which anything is
 * old. */
static int purge(struct kev_archive *archive)
{
	struct kev_moment now = kev_moment_slept(archive->config.clock);
	int64_t trial = kev_wall_wait(&archive->wall, now, archive->config.retain.age);
	int r = kev_history_purge(archive->history, &archive->config.retain, trial ? 0 : now.real,
		PURGE_BATCH, &archive->purge_wait, &archive->error);

	if (!r && trial && trial < archive->purge_wait)
		archive->purge_wait = trial;
	return r;
}

/* Everything that is to be done, as one transaction. */
static int write_batch(struct kev_archive *archive)
{
	struct kev_event_room room;
	bool complete = !archive->complete && archive->whole;
	int r = kev_history_begin(archive->history, &archive->error);

	for (size_t i = 0; i < archive->count && !r; i++)
		r = write_change(archive, &archive->batch[i]);
	if (!r)
		r = write_kinds(archive);
	if (!r)
		r = write_access(archive);
	if (!r && complete)
		r = kev_history_set_complete(archive->history, &archive->error);
	if (!r)
		r = purge(archive);
	if (!r)
		r = kev_history_commit(archive->history, &archive->error);
	if (r)
		return r;
	archive->complete = archive->complete || complete;
	acknowledge(archive, last_revision(archive, &room));
	return 0;
}

/* A comparison with the store. */
struct comparison {
	struct kev_archive *archive;
	int64_t when;
	size_t count;
	struct kev_event *latest; /* the revision that came last; a reference */
};

static int compare_event(void *context, struct kev_event *event)
{
	struct comparison *comparison = context;
	struct kev_archive *archive = comparison->archive;
	int r = append(archive, event, comparison->when);

	if (!comparison->latest || kev_event_ctime(event) > kev_event_ctime(comparison->latest)) {
		kev_event_unref(comparison->latest);
		comparison->latest = kev_event_ref(event);
	}
	if (r || ++comparison->count % COMPARE_BATCH != 0)
		return r;
	r = kev_history_commit(archive->history, &archive->error);
	if (r)
		return r;
	acknowledge(archive, KEV_STR(""));
	return kev_history_begin(archive->history, &archive->error);
}

static int compare(struct kev_archive *archive)
{
	struct comparison comparison = {.archive = archive, .when = realtime(archive)};
	struct kev_event_room room;
	const struct kev_store_visitor visitor = {.event = compare_event, .context = &comparison};
	int r = kev_history_begin(archive->history, &archive->error);

	if (!r)
		r = kev_history_compare_begin(archive->history, &archive->error);
	if (!r)
		r = kev_store_walk(archive->config.store, &visitor);
	if (!r)
		r = kev_history_compare_end(archive->history, &archive->error);
	if (!r)
		r = kev_history_commit(archive->history, &archive->error);
	if (!r) {
		archive->compare = false;
		acknowledge(archive, comparison.latest ? kev_event_resource_version(comparison.latest, &room)
						       : KEV_STR(""));
	}
	kev_event_unref(comparison.latest);
	return r;
}

static void tell_failure(struct kev_archive *archive, int r)
{
	bool first;

	if (r == -ENOMEM)
		kev_error_set(&archive->error, "out of memory");
	pthread_mutex_lock(&archive->lock);
	first = !archive->status.failing;
	archive->status.failing = true;
	archive->status.why = archive->error;
	pthread_mutex_unlock(&archive->lock);
	kev_log(first ? KEV_LOG_ERROR : KEV_LOG_INFO, "history is not written: %s; trying again",
		archive->error.text);
}

static void tell_recovered(struct kev_archive *archive)
{
	bool failing;

	pthread_mutex_lock(&archive->lock);
	failing = archive->status.failing;
	archive->status.failing = false;
	pthread_mutex_unlock(&archive->lock);
	if (failing)
		kev_log_warning("history is written again");
}

/* Write what was gathered. It is kept where that fails. @return 0 or an error that was told */
static int work(struct kev_archive *archive)
{
	int r = write_batch(archive);

	if (!r)
		drop_batch(archive);
	if (!r && archive->compare)
		r = compare(archive);
	if (!r)
		r = kev_history_trim(archive->history, &archive->error);
	if (r) {
		kev_history_rollback(archive->history);
		archive->added = 0;
		/* Perhaps they were saved, perhaps not. */
		kev_kinds_unref(archive->kinds);
		archive->kinds = NULL;
		archive->access_saved = false;
		tell_failure(archive, r);
		return r;
	}
	tell_recovered(archive);
	return 0;
}

static void *run(void *context)
{
	struct kev_archive *archive = context;
	bool stopping;
	size_t taken;
	int r = 0;

	pthread_setname_np(pthread_self(), "kevfs-archive");
	do {
		/* Looked at before, so that what came until then is taken. */
		stopping = is_stopping(archive);
		if (!r)
			gather(archive);
		else
			pause_ms(archive, RETRY_MS);
		taken = archive->count;
		r = work(archive);
		/* In the end, what is left is written, but not tried again. */
	} while (!stopping || (!r && (taken > 0 || archive->compare)));
	return NULL;
}

int kev_archive_start(struct kev_archive *archive)
{
	bool resync;
	int r;

	/* The store holds what was loaded. */
	kev_changes_take(archive->changes, NULL, 0, 0, &resync);
	kev_store_set_history(archive->config.store, archive->changes);
	r = kev_thread_start(&archive->thread, run, archive);
	archive->started = r == 0;
	return r;
}

void kev_archive_synced(struct kev_archive *archive)
{
	atomic_store(&archive->synced, true);
}

void kev_archive_status(struct kev_archive *archive, struct kev_archive_status *out)
{
	pthread_mutex_lock(&archive->lock);
	*out = archive->status;
	pthread_mutex_unlock(&archive->lock);
}

void kev_archive_stop(struct kev_archive *archive)
{
	if (!archive)
		return;
	pthread_mutex_lock(&archive->lock);
	archive->stopping = true;
	pthread_cond_broadcast(&archive->cond);
	pthread_mutex_unlock(&archive->lock);
	if (archive->started) {
		kev_changes_finish(archive->changes);
		pthread_join(archive->thread, NULL);
		archive->started = false;
	}
	kev_history_close(archive->history);
	archive->history = NULL;
}

void kev_archive_destroy(struct kev_archive *archive)
{
	if (!archive)
		return;
	kev_archive_stop(archive);
	kev_store_set_history(archive->config.store, NULL);
	drop_batch(archive);
	kev_changes_destroy(archive->changes);
	kev_kinds_unref(archive->kinds);
	pthread_cond_destroy(&archive->cond);
	pthread_mutex_destroy(&archive->lock);
	free(archive);
}
