#include "kevfs/store/bounds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 64U

void kev_oldest_init(struct kev_oldest *oldest)
{
	*oldest = (struct kev_oldest){.events = NULL};
}

void kev_oldest_fini(struct kev_oldest *oldest)
{
	free(oldest->events);
	kev_oldest_init(oldest);
}

int kev_oldest_reserve(struct kev_oldest *oldest)
{
	size_t room = oldest->room ? oldest->room + oldest->room / 2 : ROOM_MIN;
	struct kev_aged *grown;

	if (oldest->count < oldest->room)
		return 0;
	/* A place has 32 bits. */
	if (room > UINT32_MAX)
		return -ENOMEM;
	grown = reallocarray(oldest->events, room, sizeof(struct kev_aged));
	if (!grown)
		return -ENOMEM;
	oldest->events = grown;
	oldest->room = room;
	return 0;
}

static int compare_bytes(struct kev_str a, struct kev_str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int r = len ? memcmp(a.data, b.data, len) : 0;

	return r ? r : (a.len > b.len) - (a.len < b.len);
}

int64_t kev_bounds_age(const struct kev_event *event, bool listed, int64_t now)
{
	int64_t written = kev_event_written(event), created;

	if (written <= now)
		return written;
	if (!listed || written - now <= KEV_BOUNDS_SKEW || kev_event_find_created(event, &created) != 0)
		return now;
	return created < now ? created : now;
}

bool kev_oldest_is_before(struct kev_aged one, struct kev_aged other)
{
	int64_t seen = kev_event_last_seen(one.event), other_seen = kev_event_last_seen(other.event);
	struct kev_event_room rooms[2];
	int r;

	if (one.age != other.age)
		return one.age < other.age;
	if (seen != other_seen)
		return seen < other_seen;
	r = compare_bytes(kev_event_namespace(one.event), kev_event_namespace(other.event));
	if (!r)
		r = compare_bytes(
			kev_event_name(one.event, &rooms[0]), kev_event_name(other.event, &rooms[1]));
	return r < 0;
}

static void set(struct kev_oldest *oldest, size_t place, struct kev_aged aged)
{
	oldest->events[place] = aged;
	kev_event_set_place(aged.event, (uint32_t)place);
}

/* Put an event where it belongs, from that place upwards. @return the place */
static size_t rise(struct kev_oldest *oldest, size_t place, struct kev_aged aged)
{
	while (place > 0) {
		size_t above = (place - 1) / 2;

		if (!kev_oldest_is_before(aged, oldest->events[above]))
			break;
		set(oldest, place, oldest->events[above]);
		place = above;
	}
	set(oldest, place, aged);
	return place;
}

static void sink(struct kev_oldest *oldest, size_t place)
{
	struct kev_aged aged = oldest->events[place];

	for (;;) {
		size_t below = 2 * place + 1;

		if (below >= oldest->count)
			break;
		if (below + 1 < oldest->count &&
			kev_oldest_is_before(oldest->events[below + 1], oldest->events[below]))
			below++;
		if (!kev_oldest_is_before(oldest->events[below], aged))
			break;
		set(oldest, place, oldest->events[below]);
		place = below;
	}
	set(oldest, place, aged);
}

void kev_oldest_add(struct kev_oldest *oldest, struct kev_aged aged)
{
	rise(oldest, oldest->count++, aged);
}

void kev_oldest_remove(struct kev_oldest *oldest, struct kev_event *event)
{
	size_t place = kev_event_place(event);
	struct kev_aged last = oldest->events[--oldest->count];

	/* The last one fills the gap. */
	if (last.event != event)
		sink(oldest, rise(oldest, place, last));
}

struct kev_event *kev_oldest_first(const struct kev_oldest *oldest)
{
	return oldest->count ? oldest->events[0].event : NULL;
}

bool kev_oldest_would_be_first(const struct kev_oldest *oldest, struct kev_aged aged)
{
	return !oldest->count || kev_oldest_is_before(aged, oldest->events[0]);
}
