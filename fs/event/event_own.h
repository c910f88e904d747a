#ifndef KEVFS_FS_EVENT_EVENT_OWN_H
#define KEVFS_FS_EVENT_EVENT_OWN_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/event.h"
#include "kevfs/event/pack.h"

/*
 * What is an event's own, in few bytes: of a cluster's Events the name ends with a time, the uid is a uuid,
 * the resourceVersion a number, all times lie near each other, and words have small numbers. What is
 * otherwise takes more bytes.
 */
struct event_own {
	struct kev_pack pack;
	uint64_t size, line_size, compact_size;
	int64_t mtime, written, last_seen;
	uint8_t form; /* how these three stand there */
	const unsigned char *name, *uid, *resource_version;
	struct kev_str codes; /* of the pack */
};

/* What is put: not how. */
struct event_own_strings {
	struct kev_str name, uid, resource_version;
	struct kev_str object_name; /* the name may begin with it */
};

/* Put all but the bytes of the codes, which follow. Of own, form and the pointers are not read. */
void event_own_put(struct kev_buf *out, const struct event_own *own, const struct event_own_strings *strings);

/* @param out  borrows from bytes */
void event_own_get(const unsigned char *bytes, struct event_own *out);

/* The pack alone. */
void event_own_get_pack(const unsigned char *bytes, struct kev_pack *out);

/* Its strings, borrowed from the bytes or from room. */
struct kev_str event_own_name(
	const struct event_own *own, struct kev_str object_name, struct kev_event_room *room);
struct kev_str event_own_uid(const struct event_own *own, struct kev_event_room *room);
struct kev_str event_own_resource_version(const struct event_own *own, struct kev_event_room *room);

#endif
