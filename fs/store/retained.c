#include "kevfs/store/retained.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 64U

void kev_retained_init(struct kev_retained *retained)
{
	*retained = (struct kev_retained){.places = NULL};
}

void kev_retained_fini(struct kev_retained *retained)
{
	for (size_t i = 0; i < retained->count; i++)
		kev_event_unref(retained->places[retained->first + i].event);
	free(retained->places);
	kev_retained_init(retained);
}

static bool is_empty(const struct kev_retained_place *place)
{
	return kev_event_gone(place->event) != place->gone;
}

/* Close the gaps, and move everything to the beginning. */
static void compact(struct kev_retained *retained)
{
	size_t kept = 0;

	for (size_t i = 0; i < retained->count; i++) {
		struct kev_retained_place place = retained->places[retained->first + i];

		if (is_empty(&place))
			kev_event_unref(place.event);
		else
			retained->places[kept++] = place;
	}
	retained->first = 0;
	retained->count = kept;
}

/* Make room for one more behind the last. */
static int reserve(struct kev_retained *retained)
{
	struct kev_retained_place *grown;
	size_t room;

	if (retained->first + retained->count < retained->room)
		return 0;
	compact(retained);
	/* With half of it free, it is long until the next time. */
	if (retained->count < retained->room / 2)
		return 0;
	room = retained->room ? retained->room * 2 : ROOM_MIN;
	grown = reallocarray(retained->places, room, sizeof(*grown));
	if (!grown)
		return retained->count < retained->room ? 0 : -ENOMEM;
	retained->places = grown;
	retained->room = room;
	return 0;
}

static int append(struct kev_retained *retained, struct kev_event *event, int64_t gone, struct kev_moment now)
{
	if (reserve(retained) != 0)
		return -ENOMEM;
	retained->places[retained->first + retained->count++] =
		(struct kev_retained_place){kev_event_ref(event), gone, now.monotonic};
	retained->live++;
	retained->bytes += kev_event_size(event);
	if (gone < retained->last)
		retained->unsorted = true;
	else
		retained->last = gone;
	kev_event_set_gone(event, gone);
	return 0;
}

int kev_retained_restore(
	struct kev_retained *retained, struct kev_event *event, int64_t gone, struct kev_moment now)
{
	int r = append(retained, event, gone, now);

	if (!r && gone > retained->restored)
		retained->restored = gone;
	return r;
}

int kev_retained_add(struct kev_retained *retained, struct kev_event *event, struct kev_moment now)
{
	/* No mark twice: an event that went, came, and went again has two places, and one is empty. */
	return append(retained, event, now.real > retained->last ? now.real : retained->last + 1, now);
}

void kev_retained_remove(struct kev_retained *retained, struct kev_event *event)
{
	kev_event_set_gone(event, 0);
	retained->live--;
	retained->bytes -= kev_event_size(event);
	/* What is behind an empty place is held by it: a few at most. */
	if (retained->count - retained->live > retained->live + ROOM_MIN)
		compact(retained);
}

static int by_time(const void *a, const void *b)
{
	const struct kev_retained_place *left = a, *right = b;

	return (left->gone > right->gone) - (left->gone < right->gone);
}

/* The oldest place that is not empty, or NULL. */
static const struct kev_retained_place *oldest(struct kev_retained *retained)
{
	if (retained->unsorted)
		qsort(retained->places + retained->first, retained->count, sizeof(*retained->places),
			by_time);
	retained->unsorted = false;
	while (retained->count > 0) {
		const struct kev_retained_place *place = &retained->places[retained->first];

		if (!is_empty(place))
			return place;
		kev_event_unref(place->event);
		retained->first++;
		retained->count--;
	}
	return NULL;
}

/* @return ns until it passes its age (kev_wall); 0: it has */
static int64_t left_of(struct kev_retained *retained, const struct kev_retained_place *place, int64_t age,
	struct kev_moment now)
{
	int64_t left = age - (now.monotonic - place->added);

	if (place->gone <= retained->restored) {
		int64_t by_mark = age - (now.real - place->gone);
		int64_t wait = kev_wall_wait(&retained->wall, now, age);

		wait = by_mark > wait ? by_mark : wait;
		left = left < wait ? left : wait;
	}
	return left > 0 ? left : 0;
}

struct kev_event *kev_retained_overdue(
	struct kev_retained *retained, const struct kev_retain *limits, struct kev_moment now)
{
	const struct kev_retained_place *place = oldest(retained);

	if (!place)
		return NULL;
	if ((limits->count && retained->live > limits->count) ||
		(limits->bytes && retained->bytes > limits->bytes) ||
		(limits->age && left_of(retained, place, limits->age, now) == 0))
		return place->event;
	return NULL;
}

int64_t kev_retained_wait(
	struct kev_retained *retained, const struct kev_retain *limits, struct kev_moment now)
{
	const struct kev_retained_place *place = limits->age ? oldest(retained) : NULL;

	return place ? left_of(retained, place, limits->age, now) : INT64_MAX;
}
