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
	struct kev_event **grown;

	if (oldest->count < oldest->room)
		return 0;
	/* A place has 32 bits. */
	if (room > UINT32_MAX)
		return -ENOMEM;
	grown = reallocarray(oldest->events, room, sizeof(struct kev_event *));
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

bool kev_oldest_is_before(const struct kev_event *one, const struct kev_event *other)
{
	int r;

	if (kev_event_written(one) != kev_event_written(other))
		return kev_event_written(one) < kev_event_written(other);
	if (kev_event_last_seen(one) != kev_event_last_seen(other))
		return kev_event_last_seen(one) < kev_event_last_seen(other);
	r = compare_bytes(kev_event_namespace(one), kev_event_namespace(other));
	return (r ? r : compare_bytes(kev_event_name(one), kev_event_name(other))) < 0;
}

static void set(struct kev_oldest *oldest, size_t place, struct kev_event *event)
{
	oldest->events[place] = event;
	kev_event_set_place(event, (uint32_t)place);
}

/* Put an event where it belongs, from that place upwards. @return the place */
static size_t rise(struct kev_oldest *oldest, size_t place, struct kev_event *event)
{
	while (place > 0) {
		size_t above = (place - 1) / 2;

		if (!kev_oldest_is_before(event, oldest->events[above]))
			break;
		set(oldest, place, oldest->events[above]);
		place = above;
	}
	set(oldest, place, event);
	return place;
}

static void sink(struct kev_oldest *oldest, size_t place)
{
	struct kev_event *event = oldest->events[place];

	for (;;) {
		size_t below = 2 * place + 1;

		if (below >= oldest->count)
			break;
		if (below + 1 < oldest->count &&
			kev_oldest_is_before(oldest->events[below + 1], oldest->events[below]))
			below++;
		if (!kev_oldest_is_before(oldest->events[below], event))
			break;
		set(oldest, place, oldest->events[below]);
		place = below;
	}
	set(oldest, place, event);
}

void kev_oldest_add(struct kev_oldest *oldest, struct kev_event *event)
{
	rise(oldest, oldest->count++, event);
}

void kev_oldest_remove(struct kev_oldest *oldest, struct kev_event *event)
{
	size_t place = kev_event_place(event);
	struct kev_event *last = oldest->events[--oldest->count];

	/* The last one fills the gap. */
	if (last != event)
		sink(oldest, rise(oldest, place, last));
}

struct kev_event *kev_oldest_first(const struct kev_oldest *oldest)
{
	return oldest->count ? oldest->events[0] : NULL;
}
