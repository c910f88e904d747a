#include "kevfs/store/health.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct kev_health_record {
	enum kev_scope_kind kind;
	enum kev_health_phase phase;
	bool denied;        /* it is done without */
	bool was_connected; /* ever */
	int64_t since;      /* it is in that phase: real */
	int64_t heard;      /* monotonic */
	uint64_t reconnects, relists, bytes;
	struct kev_error error;
	int64_t error_time;
	char resource_version[KEV_HEALTH_RV_SIZE];
	TAILQ_ENTRY(kev_health_record) next;
	bool everywhere; /* no namespace */
	char namespace_[];
};

/* The watches of one kind. */
struct watches {
	unsigned count, connected, denied;
	bool ever;               /* there was one: a file's has none, and needs none */
	bool complete;           /* all that are not denied are connected */
	int64_t since;           /* while they are, or were GRACE ago: real */
	struct kev_moment ended; /* while some are not: when the first of them ended */
	bool broken;             /* … and it is known that they do not work */
	uint64_t reconnects, relists, bytes;
	struct kev_error error;
	int64_t error_time;
};

struct kev_health {
	const struct kev_clock *clock;
	const struct kev_meter *meter; /* NULL: there is no feed */
	int64_t started;               /* real */

	pthread_mutex_t lock; /* protects everything below; a leaf */
	bool synced;
	int64_t synced_at; /* real */
	bool needs_namespaces;
	int64_t since; /* since when it is synced, or not: real */
	struct kev_health_held held;
	int64_t behind_since; /* what is shown lacks something, for want of memory: real; 0: it does not */
	int64_t told_again;   /* since when neither is so any more, real; 0: it never was */
	int64_t late_until;   /* when somebody last saw that the feed hangs: real */
	struct watches watches[KEV_HEALTH_KINDS];
	TAILQ_HEAD(, kev_health_record) records;
	size_t record_count, record_bytes; /* of their namespaces, each with its NUL */
};

struct kev_health *kev_health_create(const struct kev_clock *clock)
{
	struct kev_health *health = calloc(1, sizeof(*health));

	if (!health)
		return NULL;
	health->clock = clock;
	health->started = health->since = kev_clock_realtime(clock);
	for (int i = 0; i < KEV_HEALTH_KINDS; i++)
		health->watches[i].complete = true;
	TAILQ_INIT(&health->records);
	pthread_mutex_init(&health->lock, NULL);
	return health;
}

void kev_health_destroy(struct kev_health *health)
{
	struct kev_health_record *record;

	if (!health)
		return;
	while ((record = TAILQ_FIRST(&health->records))) {
		TAILQ_REMOVE(&health->records, record, next);
		free(record);
	}
	pthread_mutex_destroy(&health->lock);
	free(health);
}

void kev_health_set_meter(struct kev_health *health, const struct kev_meter *meter)
{
	health->meter = meter;
}

void kev_health_synced(struct kev_health *health)
{
	int64_t at = kev_clock_realtime(health->clock);

	pthread_mutex_lock(&health->lock);
	if (!health->synced)
		health->since = health->synced_at = at;
	health->synced = true;
	pthread_mutex_unlock(&health->lock);
}

void kev_health_need_namespaces(struct kev_health *health, bool need)
{
	pthread_mutex_lock(&health->lock);
	health->needs_namespaces = need;
	pthread_mutex_unlock(&health->lock);
}

static bool is_connected(const struct watches *w, struct kev_moment at)
{
	return w->complete || (!w->broken && at.monotonic - w->ended.monotonic < KEV_HEALTH_GRACE);
}

/* After the counts have changed. */
static void recount_locked(struct watches *w, struct kev_moment at)
{
	unsigned due = w->count - w->denied;
	bool complete = due > 0 ? w->connected == due : !w->ever;

	if (complete && !w->complete) {
		if (!is_connected(w, at))
			w->since = at.real;
		w->broken = false;
	} else if (!complete && w->complete) {
		w->ended = at;
	}
	w->complete = complete;
}

static void set_phase_locked(
	struct kev_health_record *record, enum kev_health_phase phase, struct kev_moment at)
{
	if (record->phase != phase)
		record->since = at.real;
	record->phase = phase;
}

static void set_error_locked(struct watches *w, struct kev_health_record *record, const struct kev_error *why,
	struct kev_moment at)
{
	record->error = w->error = *why;
	record->error_time = w->error_time = at.real;
}

static void set_resource_version_locked(struct kev_health_record *record, struct kev_str rv)
{
	size_t len = rv.len < KEV_HEALTH_RV_SIZE ? rv.len : KEV_HEALTH_RV_SIZE - 1;

	if (len == 0)
		return;
	memcpy(record->resource_version, rv.data, len);
	record->resource_version[len] = '\0';
}

struct kev_health_record *kev_health_add(
	struct kev_health *health, enum kev_scope_kind kind, const char *namespace_)
{
	struct watches *w = &health->watches[kind];
	struct kev_moment at = kev_moment_now(health->clock);
	size_t size = namespace_ ? strlen(namespace_) + 1 : 1;
	struct kev_health_record *record = calloc(1, sizeof(*record) + size);

	if (!record)
		return NULL;
	record->kind = kind;
	record->everywhere = !namespace_;
	memcpy(record->namespace_, namespace_ ? namespace_ : "", size);
	record->since = at.real;
	record->heard = INT64_MIN;
	pthread_mutex_lock(&health->lock);
	TAILQ_INSERT_TAIL(&health->records, record, next);
	health->record_count++;
	health->record_bytes += size;
	/* What was never connected has no grace. */
	if (!w->ever)
		w->broken = true;
	w->ever = true;
	w->count++;
	recount_locked(w, at);
	pthread_mutex_unlock(&health->lock);
	return record;
}

/* What a record counts for, as it is. */
static void count_locked(struct watches *w, const struct kev_health_record *record, int by)
{
	if (record->denied)
		w->denied += (unsigned)by;
	else if (record->phase == KEV_HEALTH_WATCHING)
		w->connected += (unsigned)by;
}

void kev_health_remove(struct kev_health *health, struct kev_health_record *record)
{
	struct kev_moment at = kev_moment_now(health->clock);
	struct watches *w;

	if (!record)
		return;
	w = &health->watches[record->kind];
	pthread_mutex_lock(&health->lock);
	count_locked(w, record, -1);
	w->count--;
	recount_locked(w, at);
	TAILQ_REMOVE(&health->records, record, next);
	health->record_count--;
	health->record_bytes -= strlen(record->namespace_) + 1;
	pthread_mutex_unlock(&health->lock);
	free(record);
}

/* Move a record on. */
static void move_locked(struct kev_health *health, struct kev_health_record *record,
	enum kev_health_phase phase, bool denied, struct kev_moment at)
{
	struct watches *w = &health->watches[record->kind];

	count_locked(w, record, -1);
	record->denied = denied;
	set_phase_locked(record, denied ? KEV_HEALTH_DENIED : phase, at);
	count_locked(w, record, 1);
	recount_locked(w, at);
}

/* It is known not to work. */
static void note_broken_locked(struct watches *w, const struct kev_health_record *record)
{
	if (!record->denied)
		w->broken = !w->complete;
}

static void list_locked(struct kev_health *health, struct kev_health_record *record, bool again)
{
	move_locked(health, record, KEV_HEALTH_LISTING, record->denied, kev_moment_now(health->clock));
	if (!again)
		return;
	record->relists++;
	health->watches[record->kind].relists++;
}

void kev_health_listing(struct kev_health *health, struct kev_health_record *record, bool again)
{
	pthread_mutex_lock(&health->lock);
	list_locked(health, record, again);
	/* Nobody lists what could be followed: something was missed. */
	if (again)
		note_broken_locked(&health->watches[record->kind], record);
	pthread_mutex_unlock(&health->lock);
}

void kev_health_comparing(struct kev_health *health, struct kev_health_record *record)
{
	pthread_mutex_lock(&health->lock);
	list_locked(health, record, true);
	pthread_mutex_unlock(&health->lock);
}

void kev_health_connecting(
	struct kev_health *health, struct kev_health_record *record, struct kev_str resource_version)
{
	struct kev_moment at = kev_moment_now(health->clock);

	pthread_mutex_lock(&health->lock);
	move_locked(health, record, KEV_HEALTH_CONNECTING, false, at);
	set_resource_version_locked(record, resource_version);
	pthread_mutex_unlock(&health->lock);
}

void kev_health_connected(struct kev_health *health, struct kev_health_record *record)
{
	struct watches *w = &health->watches[record->kind];
	struct kev_moment at = kev_moment_now(health->clock);

	pthread_mutex_lock(&health->lock);
	move_locked(health, record, KEV_HEALTH_WATCHING, false, at);
	if (record->was_connected) {
		record->reconnects++;
		w->reconnects++;
	}
	record->was_connected = true;
	pthread_mutex_unlock(&health->lock);
}

void kev_health_ended(struct kev_health *health, struct kev_health_record *record)
{
	struct kev_moment at = kev_moment_now(health->clock);

	pthread_mutex_lock(&health->lock);
	move_locked(health, record, KEV_HEALTH_CONNECTING, record->denied, at);
	pthread_mutex_unlock(&health->lock);
}

void kev_health_failed(
	struct kev_health *health, struct kev_health_record *record, const struct kev_error *why)
{
	struct watches *w = &health->watches[record->kind];
	struct kev_moment at = kev_moment_now(health->clock);

	pthread_mutex_lock(&health->lock);
	move_locked(health, record, KEV_HEALTH_WAITING, record->denied, at);
	note_broken_locked(w, record);
	set_error_locked(w, record, why, at);
	pthread_mutex_unlock(&health->lock);
}

void kev_health_denied(
	struct kev_health *health, struct kev_health_record *record, const struct kev_error *why)
{
	struct watches *w = &health->watches[record->kind];
	struct kev_moment at = kev_moment_now(health->clock);

	pthread_mutex_lock(&health->lock);
	move_locked(health, record, KEV_HEALTH_DENIED, true, at);
	w->broken = w->broken || w->count == w->denied;
	set_error_locked(w, record, why, at);
	pthread_mutex_unlock(&health->lock);
}

void kev_health_heard(struct kev_health *health, struct kev_health_record *record, uint64_t bytes,
	struct kev_str resource_version)
{
	int64_t at = kev_clock_monotonic(health->clock);

	pthread_mutex_lock(&health->lock);
	record->heard = at;
	record->bytes += bytes;
	health->watches[record->kind].bytes += bytes;
	set_resource_version_locked(record, resource_version);
	pthread_mutex_unlock(&health->lock);
}

void kev_health_held(struct kev_health *health, const struct kev_health_held *held)
{
	int64_t at = kev_clock_realtime(health->clock);

	pthread_mutex_lock(&health->lock);
	if (health->held.halted_since && !held->halted_since)
		health->told_again = at;
	health->held = *held;
	pthread_mutex_unlock(&health->lock);
}

void kev_health_behind(struct kev_health *health, bool behind)
{
	int64_t at = kev_clock_realtime(health->clock);

	pthread_mutex_lock(&health->lock);
	if (health->behind_since && !behind)
		health->told_again = at;
	if (!behind)
		health->behind_since = 0;
	else if (!health->behind_since)
		health->behind_since = at;
	pthread_mutex_unlock(&health->lock);
}

static void describe(const struct watches *w, struct kev_moment at, struct kev_health_watch *out)
{
	bool connected = is_connected(w, at);

	*out = (struct kev_health_watch){.count = w->count,
		.denied = w->denied,
		.connected = connected,
		.since = connected ? w->since : w->ended.real,
		.reconnects = w->reconnects,
		.relists = w->relists,
		.bytes = w->bytes,
		.error = w->error,
		.error_time = w->error_time};
}

/* @return ns since the feed was to go on, or 0: it does not hang */
static int64_t look_locked(struct kev_health *health, struct kev_moment at)
{
	int64_t late = kev_meter_longest(health->meter, KEV_METER_FEEDING, at.monotonic);

	if (late < KEV_HEALTH_LATE)
		return 0;
	health->late_until = at.real;
	return late;
}

/* Where the server does not permit to know them, those that are known are all that can be asked for. */
static bool needs(const struct kev_health *health, int kind)
{
	const struct watches *w = &health->watches[kind];

	return kind == KEV_SCOPE_EVENTS ||
	       (kind == KEV_SCOPE_NAMESPACES && health->needs_namespaces && w->denied < w->count);
}

static bool is_stale_locked(const struct kev_health *health, struct kev_moment at, int64_t late)
{
	bool stale = !health->synced || late || health->held.halted_since || health->behind_since;

	for (int i = 0; i < KEV_HEALTH_KINDS; i++)
		stale = stale || (needs(health, i) && !is_connected(&health->watches[i], at));
	return stale;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The earlier of two times that may not be: 0. */
static int64_t earlier(int64_t a, int64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

/* Since when it is synced or not, and stale or not. Whatever makes it stale changes nothing where something
 * else did so before. */
static int64_t since_locked(
	const struct kev_health *health, const struct kev_health_state *state, int64_t now)
{
	int64_t begun = earlier(earlier(health->held.halted_since, health->behind_since),
		state->late ? now - state->late : 0);
	int64_t over = later(health->told_again, health->late_until);

	if (!health->synced)
		return health->since;
	for (int i = 0; i < KEV_HEALTH_KINDS; i++) {
		const struct kev_health_watch *watch = &state->watches[i];

		if (needs(health, i) && watch->connected)
			over = later(over, watch->since);
		else if (needs(health, i))
			begun = earlier(begun, watch->since);
	}
	return later(health->since, begun ? begun : over);
}

void kev_health_get(struct kev_health *health, struct kev_health_state *out)
{
	struct kev_moment at = kev_moment_now(health->clock);

	pthread_mutex_lock(&health->lock);
	out->started = health->started;
	out->synced = health->synced;
	out->synced_at = health->synced_at;
	out->late = look_locked(health, at);
	out->stale = is_stale_locked(health, at, out->late);
	out->held = health->held;
	out->behind_since = health->behind_since;
	for (int i = 0; i < KEV_HEALTH_KINDS; i++)
		describe(&health->watches[i], at, &out->watches[i]);
	out->since = since_locked(health, out, at.real);
	pthread_mutex_unlock(&health->lock);
}

bool kev_health_stale(struct kev_health *health)
{
	struct kev_moment at = kev_moment_now(health->clock);
	bool stale;

	pthread_mutex_lock(&health->lock);
	stale = is_stale_locked(health, at, look_locked(health, at));
	pthread_mutex_unlock(&health->lock);
	return stale;
}

void kev_health_explain(const struct kev_health_state *state, struct kev_error *out)
{
	const struct kev_health_watch *last = &state->watches[0];

	if (state->late) {
		kev_error_set(out,
			"the thread that follows the cluster was to go on %lld s ago, and hangs: is a file "
			"of "
			"the kubeconfig where nobody answers?",
			(long long)(state->late / KEV_NS_PER_SEC));
		return;
	}
	if (state->behind_since) {
		kev_error_set(out, "there is no memory to show what has changed");
		return;
	}
	for (size_t i = 1; i < KEV_HEALTH_KINDS; i++) {
		if (state->watches[i].error_time > last->error_time)
			last = &state->watches[i];
	}
	*out = last->error;
}

const char *kev_health_kind_name(enum kev_scope_kind kind)
{
	static const char *const names[] = {[KEV_SCOPE_EVENTS] = "events",
		[KEV_SCOPE_PODS] = "pods",
		[KEV_SCOPE_NAMESPACES] = "namespaces"};

	return names[kind];
}

const char *kev_health_phase_name(enum kev_health_phase phase)
{
	static const char *const names[] = {[KEV_HEALTH_IDLE] = "idle",
		[KEV_HEALTH_LISTING] = "listing",
		[KEV_HEALTH_CONNECTING] = "connecting",
		[KEV_HEALTH_WATCHING] = "watching",
		[KEV_HEALTH_WAITING] = "waiting",
		[KEV_HEALTH_DENIED] = "denied"};

	return names[phase];
}

static void describe_record(
	const struct kev_health_record *record, struct kev_moment at, struct kev_health_detail *out)
{
	*out = (struct kev_health_detail){.kind = record->kind,
		.phase = record->phase,
		.since = record->since,
		.silence = record->heard == INT64_MIN ? -1 : at.monotonic - record->heard,
		.reconnects = record->reconnects,
		.relists = record->relists,
		.bytes = record->bytes,
		.error = record->error,
		.error_time = record->error_time};
	memcpy(out->resource_version, record->resource_version, sizeof(out->resource_version));
}

/* @return the room that all of them need: the array, and the namespaces behind it */
static size_t measure_locked(const struct kev_health *health)
{
	return health->record_count * sizeof(struct kev_health_detail) + health->record_bytes;
}

static size_t copy_locked(const struct kev_health *health, struct kev_health_detail *out)
{
	const struct kev_health_record *record;
	struct kev_moment at = kev_moment_now(health->clock);
	char *text = (char *)(out + health->record_count);
	size_t i = 0;

	for (record = TAILQ_FIRST(&health->records); record; record = TAILQ_NEXT(record, next)) {
		size_t size = strlen(record->namespace_) + 1;

		describe_record(record, at, &out[i]);
		memcpy(text, record->namespace_, size);
		out[i++].namespace_ = record->everywhere ? NULL : text;
		text += size;
	}
	return i;
}

/* No memory is asked for under the lock: so more may have been added meanwhile. */
int kev_health_details(struct kev_health *health, struct kev_health_detail **out, size_t *count)
{
	struct kev_health_detail *details = NULL, *larger;
	size_t room = 0, need;

	for (;;) {
		pthread_mutex_lock(&health->lock);
		need = measure_locked(health);
		if (need <= room) {
			*count = details ? copy_locked(health, details) : 0;
			pthread_mutex_unlock(&health->lock);
			*out = details;
			return 0;
		}
		pthread_mutex_unlock(&health->lock);
		larger = realloc(details, need);
		if (!larger) {
			free(details);
			return -ENOMEM;
		}
		details = larger;
		room = need;
	}
}
