#include "kevfs/watch/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/base/num.h"
#include "kevfs/base/thread.h"
#include "kevfs/watch/recorded.h"
#include "kevfs/watch/recording.h"

/* A name that is longer ends the list's order. */
#define KEY_MAX 8192

/* A pause is slept in parts of at most this, so that no time overflows. */
#define SLEEP_MAX (3600 * KEV_NS_PER_SEC)

/* The recording's longest pause. Anybody can write a time into an Event, and one of tomorrow, or of a node
 * whose clock is wrong, must not hold up all that follows. */
#define PAUSE_MAX (600 * KEV_NS_PER_SEC)

struct kev_replay {
	struct kev_replay_config config;
	struct kev_source *source;
	struct kev_recorded *recorded;
	uint64_t listed; /* lines of the list that the recording begins with */
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* protects stopping; a leaf */
	pthread_cond_t cond;  /* stopping */
	bool stopping;

	/* Of the reading under way. */
	uint64_t line;  /* how many came before */
	int64_t first;  /* the recording's time of the first line that has one; 0: none yet */
	int64_t latest; /* the latest so far */
	int64_t began;  /* monotonic ns: when the first came */
};

/* The first reading. */
struct survey {
	struct kev_recorded *recorded;
	uint64_t lines;
	uint64_t listed;
	bool leading; /* only ADDED so far */
	bool ordered; /* in the order of a list so far */
	uint64_t highest;
	struct kev_buf key, last_key;
};

/* What a list is ordered by: the key in etcd, which has a '/' between the two. */
static int set_key(struct survey *survey, const struct kev_metadata *metadata)
{
	struct kev_buf *key = &survey->key;

	kev_buf_clear(key);
	kev_buf_append_str(key, kev_buf_str(&metadata->namespace_));
	kev_buf_append_char(key, '/');
	return kev_buf_append_str(key, kev_buf_str(&metadata->name));
}

/* @return 0 or -ENOMEM */
static int survey_added(struct survey *survey, const struct kev_metadata *metadata)
{
	uint64_t version = 0;
	struct kev_buf swap;
	bool newer;

	if (!metadata || set_key(survey, metadata) == -EMSGSIZE) {
		survey->ordered = false;
		survey->listed = survey->lines;
		return 0;
	}
	if (survey->key.error)
		return survey->key.error;
	survey->ordered =
		survey->ordered && kev_str_cmp(kev_buf_str(&survey->key), kev_buf_str(&survey->last_key)) > 0;
	newer = kev_num_parse_u64(kev_buf_str(&metadata->resource_version), UINT64_MAX, &version) == 0 &&
		version > survey->highest;
	if (newer)
		survey->highest = version;
	if (survey->ordered || !newer)
		survey->listed = survey->lines;
	swap = survey->last_key;
	survey->last_key = survey->key;
	survey->key = swap;
	return 0;
}

static int survey_line(
	void *context, struct kev_str text, const struct kev_objects_where *where, struct kev_error *error)
{
	struct survey *survey = context;
	struct kev_recorded_line line;
	int r = kev_recorded_scan(survey->recorded, text, where, &line, error);

	if (r)
		return r;
	survey->lines++;
	if (survey->leading && line.is_initial_end) {
		survey->listed = survey->lines;
		survey->leading = false;
	} else if (survey->leading && line.is_event) {
		survey->leading = line.type == KEV_ENVELOPE_ADDED;
		if (survey->leading)
			r = survey_added(survey, line.metadata);
	}
	return r ? r : kev_recorded_apply(survey->recorded, KEV_ORIGIN_LIVE);
}

static const char *name_of(const struct kev_replay *replay)
{
	return kev_source_name(replay->config.path);
}

static int survey_all(struct kev_replay *replay, struct kev_error *error)
{
	enum kev_form form = kev_source_form(replay->source);
	/* Single Events have no list: theirs are in the order of time. */
	struct survey survey = {.recorded = kev_recorded_create(NULL, form),
		.leading = form == KEV_FORM_RECORDING,
		.ordered = true};
	struct kev_recording_end end;
	int r = -ENOMEM;

	kev_buf_init(&survey.key, KEY_MAX);
	kev_buf_init(&survey.last_key, KEY_MAX);
	if (survey.recorded)
		r = kev_recording_read(replay->source, survey_line, &survey, &end, error);
	if (r == 0) {
		kev_recorded_report(survey.recorded, name_of(replay), end.oversized);
		kev_meter_add(kev_store_meter(replay->config.store), KEV_METER_SKIPPED, end.oversized);
		kev_recording_report(&end, name_of(replay));
		kev_log_info("%s: a recording of %" PRIu64 " lines, of which the first %" PRIu64
			     " are its list",
			name_of(replay), survey.lines, survey.listed);
		replay->listed = survey.listed;
	}
	kev_recorded_destroy(survey.recorded);
	kev_buf_fini(&survey.key);
	kev_buf_fini(&survey.last_key);
	return r;
}

static int set_up(struct kev_replay *replay, struct kev_error *error)
{
	int r = kev_source_open(replay->config.path, KEV_SOURCE_AGAIN, &replay->source, error);

	if (r)
		return r;
	if (kev_source_form(replay->source) == KEV_FORM_LIST) {
		kev_error_set(error, "no recording, so it cannot be replayed; kubectl get events -A --watch "
				     "--output-watch-events -o json prints one");
		return -EINVAL;
	}
	replay->recorded = kev_recorded_create(replay->config.store, kev_source_form(replay->source));
	if (!replay->recorded)
		return -ENOMEM;
	r = kev_recorded_select(replay->recorded, replay->config.namespaces, error);
	return r ? r : survey_all(replay, error);
}

static void explain(const struct kev_replay *replay, int r, struct kev_error *error)
{
	if (r == -ENOMEM)
		kev_error_set(error, "out of memory");
	if (r)
		kev_error_prefix(error, "%s", name_of(replay));
}

int kev_replay_create(
	const struct kev_replay_config *config, struct kev_replay **out, struct kev_error *error)
{
	struct kev_replay *replay = calloc(1, sizeof(*replay));
	int r;

	if (!replay)
		return -ENOMEM;
	replay->config = *config;
	pthread_mutex_init(&replay->lock, NULL);
	kev_thread_cond_init(&replay->cond);
	r = set_up(replay, error);
	if (r) {
		explain(replay, r, error);
		kev_replay_destroy(replay);
		return r;
	}
	*out = replay;
	return 0;
}

/* Of the reading that loads. -ECANCELED: the list is over. */
static int load_line(
	void *context, struct kev_str text, const struct kev_objects_where *where, struct kev_error *error)
{
	struct kev_replay *replay = context;
	struct kev_recorded_line line;
	int r;

	if (replay->line++ == replay->listed)
		return -ECANCELED;
	r = kev_recorded_scan(replay->recorded, text, where, &line, error);
	return r ? r : kev_recorded_apply(replay->recorded, KEV_ORIGIN_FIRST_SYNC);
}

int kev_replay_load(struct kev_replay *replay, struct kev_error *error)
{
	struct kev_recording_end end;
	int r;

	replay->line = 0;
	r = kev_recording_read(replay->source, load_line, replay, &end, error);
	if (r == -ECANCELED)
		r = 0;
	explain(replay, r, error);
	return r;
}

static int64_t now(const struct kev_replay *replay)
{
	return kev_clock_monotonic(replay->config.clock);
}

/* Sleep until then, if that is not over. @return false where the replay is to end */
static bool sleep_until(struct kev_replay *replay, int64_t then)
{
	bool stopping;

	pthread_mutex_lock(&replay->lock);
	while (!replay->stopping && now(replay) < then) {
		int64_t wait = then - now(replay);
		struct timespec until = kev_thread_deadline(wait < SLEEP_MAX ? wait : SLEEP_MAX);

		pthread_cond_timedwait(&replay->cond, &replay->lock, &until);
	}
	stopping = replay->stopping;
	pthread_mutex_unlock(&replay->lock);
	return !stopping;
}

/* When a line comes: monotonic ns. */
static int64_t due(struct kev_replay *replay, const struct kev_recorded_line *line)
{
	double wait;

	if (!replay->first && line->time) {
		replay->first = replay->latest = line->time;
		replay->began = now(replay);
	}
	if (line->time > replay->latest)
		replay->latest +=
			line->time - replay->latest < PAUSE_MAX ? line->time - replay->latest : PAUSE_MAX;
	wait = (double)(replay->latest - replay->first) * KEV_REPLAY_SPEED_ONE / (double)replay->config.speed;
	/* Half of all time is for ever, and its sum with a clock's time does not overflow. */
	return replay->began + (wait < (double)(INT64_MAX / 2) ? (int64_t)wait : INT64_MAX / 2);
}

static int play_line(
	void *context, struct kev_str text, const struct kev_objects_where *where, struct kev_error *error)
{
	struct kev_replay *replay = context;
	struct kev_recorded_line line;
	int r;

	if (replay->line++ < replay->listed)
		return sleep_until(replay, INT64_MIN) ? 0 : -ECANCELED;
	r = kev_recorded_scan(replay->recorded, text, where, &line, error);
	if (r)
		return r;
	if (!sleep_until(replay, due(replay, &line)))
		return -ECANCELED;
	r = kev_recorded_apply(replay->recorded, KEV_ORIGIN_LIVE);
	(void)kev_store_expire(replay->config.store);
	return r;
}

static void *run(void *context)
{
	struct kev_replay *replay = context;
	struct kev_recording_end end;
	struct kev_error error = {""};
	int r;

	pthread_setname_np(pthread_self(), "kevfs-replay");
	replay->line = 0;
	r = kev_recording_read(replay->source, play_line, replay, &end, &error);
	if (r == 0)
		kev_log_info("%s: the recording is at its end", name_of(replay));
	else if (r != -ECANCELED) {
		explain(replay, r, &error);
		kev_log_error("the replay ends early: %s", error.text);
	}
	return NULL;
}

int kev_replay_start(struct kev_replay *replay)
{
	int r = kev_thread_start(&replay->thread, run, replay);

	replay->started = r == 0;
	return r;
}

void kev_replay_destroy(struct kev_replay *replay)
{
	if (!replay)
		return;
	pthread_mutex_lock(&replay->lock);
	replay->stopping = true;
	pthread_cond_signal(&replay->cond);
	pthread_mutex_unlock(&replay->lock);
	if (replay->started)
		pthread_join(replay->thread, NULL);
	kev_recorded_destroy(replay->recorded);
	kev_source_close(replay->source);
	pthread_cond_destroy(&replay->cond);
	pthread_mutex_destroy(&replay->lock);
	free(replay);
}
