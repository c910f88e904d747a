#include "kevfs/store/meter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* What is under way at once: the workers, those who notify, the feed, and some more. */
#define MARKS 32

/* Of a mark: nobody has it, and somebody is about to; else the work and one. */
enum { FREE = 0, TAKEN = -1 };

const int64_t kev_meter_bounds[KEV_METER_BOUNDS] = {
	10000, 100000, KEV_NS_PER_MS, 10 * KEV_NS_PER_MS, 100 * KEV_NS_PER_MS, KEV_NS_PER_SEC};

struct times {
	_Atomic uint64_t counts[KEV_METER_BOUNDS + 1], failed, ns;
};

struct kev_meter_mark {
	_Atomic int work;
	_Atomic int64_t at;
	struct times times[KEV_METER_OPERATIONS]; /* what was counted by those who had it */
};

struct kev_meter {
	struct kev_meter_mark marks[MARKS];
	_Atomic uint64_t counters[KEV_METER_COUNTERS];
};

static void add(_Atomic uint64_t *to, uint64_t count)
{
	atomic_fetch_add_explicit(to, count, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *from)
{
	return atomic_load_explicit(from, memory_order_relaxed);
}

struct kev_meter *kev_meter_create(void)
{
	return calloc(1, sizeof(struct kev_meter));
}

void kev_meter_destroy(struct kev_meter *meter)
{
	free(meter);
}

void kev_meter_add(struct kev_meter *meter, enum kev_meter_counter counter, uint64_t count)
{
	if (meter)
		add(&meter->counters[counter], count);
}

uint64_t kev_meter_get(const struct kev_meter *meter, enum kev_meter_counter counter)
{
	return meter ? get(&meter->counters[counter]) : 0;
}

const char *kev_meter_operation_name(enum kev_meter_operation operation)
{
	static const char *const names[] = {[KEV_METER_LOOKUP] = "lookup",
		[KEV_METER_FORGET] = "forget",
		[KEV_METER_GETATTR] = "getattr",
		[KEV_METER_STATX] = "statx",
		[KEV_METER_READLINK] = "readlink",
		[KEV_METER_OPEN] = "open",
		[KEV_METER_READ] = "read",
		[KEV_METER_READDIR] = "readdir",
		[KEV_METER_READDIRPLUS] = "readdirplus",
		[KEV_METER_STATFS] = "statfs",
		[KEV_METER_GETXATTR] = "getxattr",
		[KEV_METER_LISTXATTR] = "listxattr"};

	return names[operation];
}

/* A thread mostly finds the mark free that it had before, in its own CPU's cache. */
static unsigned first_choice(void)
{
	uint64_t self = (uint64_t)(uintptr_t)pthread_self();

	return (unsigned)((self * 0x9e3779b97f4a7c15ULL) >> 32) % MARKS;
}

struct kev_meter_mark *kev_meter_begin(struct kev_meter *meter, enum kev_meter_work work, int64_t at)
{
	unsigned first = first_choice();

	for (unsigned i = 0; meter && i < MARKS; i++) {
		struct kev_meter_mark *mark = &meter->marks[(first + i) % MARKS];
		int none = FREE;

		/* Who only looks writes nothing. */
		if (atomic_load_explicit(&mark->work, memory_order_relaxed) != FREE ||
			!atomic_compare_exchange_strong_explicit(
				&mark->work, &none, TAKEN, memory_order_acquire, memory_order_relaxed))
			continue;
		/* Whoever sees the work must not take an older time for its. */
		atomic_store_explicit(&mark->at, at, memory_order_relaxed);
		atomic_store_explicit(&mark->work, (int)work + 1, memory_order_release);
		return mark;
	}
	return NULL;
}

void kev_meter_renew(struct kev_meter_mark *mark, int64_t at)
{
	if (mark)
		atomic_store_explicit(&mark->at, at, memory_order_relaxed);
}

void kev_meter_end(struct kev_meter_mark *mark)
{
	if (mark)
		atomic_store_explicit(&mark->work, FREE, memory_order_release);
}

void kev_meter_answered(struct kev_meter *meter, struct kev_meter_mark *mark,
	enum kev_meter_operation operation, int64_t ns, bool failed)
{
	struct times *times;
	unsigned bound = 0;

	if (!meter)
		return;
	times = &(mark ? mark : &meter->marks[0])->times[operation];
	while (bound < KEV_METER_BOUNDS && ns > kev_meter_bounds[bound])
		bound++;
	add(&times->counts[bound], 1);
	add(&times->ns, ns > 0 ? (uint64_t)ns : 0);
	if (failed)
		add(&times->failed, 1);
}

void kev_meter_times(
	const struct kev_meter *meter, enum kev_meter_operation operation, struct kev_meter_times *out)
{
	*out = (struct kev_meter_times){.ns = 0};
	for (int i = 0; meter && i < MARKS; i++) {
		const struct times *times = &meter->marks[i].times[operation];

		for (int bound = 0; bound <= KEV_METER_BOUNDS; bound++)
			out->counts[bound] += get(&times->counts[bound]);
		out->failed += get(&times->failed);
		out->ns += get(&times->ns);
	}
}

int64_t kev_meter_longest(const struct kev_meter *meter, enum kev_meter_work work, int64_t now)
{
	int64_t longest = 0;

	for (int i = 0; meter && i < MARKS; i++) {
		const struct kev_meter_mark *mark = &meter->marks[i];
		int64_t at;

		if (atomic_load_explicit(&mark->work, memory_order_acquire) != (int)work + 1)
			continue;
		at = atomic_load_explicit(&mark->at, memory_order_relaxed);
		if (now - at > longest)
			longest = now - at;
	}
	return longest;
}

bool kev_meter_is_at(const struct kev_meter *meter, enum kev_meter_work work)
{
	for (int i = 0; meter && i < MARKS; i++) {
		if (atomic_load_explicit(&meter->marks[i].work, memory_order_relaxed) == (int)work + 1)
			return true;
	}
	return false;
}
