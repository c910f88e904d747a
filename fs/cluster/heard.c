#include "kevfs/cluster/heard.h"

void kev_heard_init(struct kev_heard *heard)
{
	*heard = (struct kev_heard){.newest = 0};
}

/* @return the newest of that port, or NULL */
static struct kev_heard_connection *find_port(struct kev_heard *heard, long port)
{
	struct kev_heard_connection *found = NULL;

	for (size_t i = 0; i < KEV_HEARD_MAX; i++) {
		struct kev_heard_connection *c = &heard->connections[i];

		if (c->number && c->port == port && (!found || c->number > found->number))
			found = c;
	}
	return found;
}

/* The place of what was not heard of for longest. */
static struct kev_heard_connection *make_room(struct kev_heard *heard)
{
	struct kev_heard_connection *oldest = &heard->connections[0];

	for (size_t i = 0; i < KEV_HEARD_MAX && oldest->number; i++) {
		struct kev_heard_connection *c = &heard->connections[i];

		if (!c->number || c->last < oldest->last)
			oldest = c;
	}
	return oldest;
}

uint64_t kev_heard_begin(struct kev_heard *heard, long port, bool made, int64_t started, int64_t now)
{
	struct kev_heard_connection *c = port > 0 ? find_port(heard, port) : NULL;

	if (port <= 0)
		return 0;
	/* Requests that waited for the connection may be answered before the one that made it. */
	if (!c || (made && c->since < started)) {
		c = make_room(heard);
		*c = (struct kev_heard_connection){.port = port, .number = ++heard->newest, .since = now};
	}
	c->last = now;
	return c->number;
}

static const struct kev_heard_connection *find(const struct kev_heard *heard, uint64_t number)
{
	for (size_t i = 0; i < KEV_HEARD_MAX && number; i++) {
		if (heard->connections[i].number == number)
			return &heard->connections[i];
	}
	return NULL;
}

void kev_heard_more(struct kev_heard *heard, uint64_t number, int64_t now)
{
	const struct kev_heard_connection *c = find(heard, number);

	if (c)
		heard->connections[c - heard->connections].last = now;
}

int64_t kev_heard_last(const struct kev_heard *heard, uint64_t number)
{
	const struct kev_heard_connection *c = find(heard, number);

	return c ? c->last : INT64_MIN;
}

int64_t kev_heard_last_of_all(const struct kev_heard *heard)
{
	int64_t last = INT64_MIN;

	for (size_t i = 0; i < KEV_HEARD_MAX; i++) {
		const struct kev_heard_connection *c = &heard->connections[i];

		if (c->number && c->last > last)
			last = c->last;
	}
	return last;
}
