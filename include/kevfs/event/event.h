#ifndef KEVFS_EVENT_EVENT_H
#define KEVFS_EVENT_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/error.h"
#include "kevfs/base/intern.h"
#include "kevfs/base/str.h"
#include "kevfs/event/json.h"

/**
 * One revision of one Kubernetes Event: immutable once it is published (but for one mark,
 * kev_event_set_gone()), shared by reference counts, from any thread. Every kev_str it gives out is borrowed
 * for as long as the caller's reference. The strings are the API's own: any byte can stand in them.
 */
struct kev_event;

/**
 * Make an event from the object at token index of a scanned text (a list's item, a watch line's object, a
 * dump's item). kind and apiVersion are filled in where they are missing (list items carry none), as kubectl
 * does.
 * @param words  holds what it shares with others; the event keeps a reference
 * @return 0 and a new reference in *out; -EINVAL (no object, no metadata.name, a kind other than Event, or a
 * number that no double holds); -E2BIG (printed form over KEV_EVENT_SIZE_MAX, or of more tokens than can be
 * scanned); -ENOMEM. *out is untouched on error.
 */
int kev_event_create(const struct kev_json *json, uint32_t index, struct kev_intern *words,
	struct kev_event **out, struct kev_error *error) KEV_MUST_USE;

/** Room for a string that an event does not keep as it is printed. */
#define KEV_EVENT_ROOM 272U
struct kev_event_room {
	char bytes[KEV_EVENT_ROOM];
};

/** All that can be asked of an event, as the functions of these names give it: what an archive keeps. */
struct kev_event_parts {
	struct kev_str namespace_, name, uid, resource_version;
	struct kev_str object_api_version, object_kind, object_namespace, object_name;
	struct kev_str type, reason, node;
	struct kev_str text;
	uint64_t line_size, compact_size;
	int64_t mtime, written, last_seen, ctime;
	struct kev_event_room rooms[3]; /**< where some of the strings stand */
};

/**
 * What an event is made of.
 * @param space  an empty buffer of KEV_EVENT_SIZE_MAX: the text is put there
 * @param out    borrowed from the event, from space and from its own rooms: what is copied of it borrows from
 *               there as well
 * @return 0 or -ENOMEM
 */
int kev_event_take_apart(
	const struct kev_event *event, struct kev_buf *space, struct kev_event_parts *out) KEV_MUST_USE;

/**
 * Make an event again from its parts, without reading its text as JSON. They come from a file that anybody
 * may have written: each is held to the limits that kev_event_create() keeps, so whatever it makes is safe to
 * use; that they fit together is not looked at.
 * @return 0 and a new reference; -EINVAL (a part that no event has) or -ENOMEM. *out is untouched on error.
 */
int kev_event_restore(
	const struct kev_event_parts *parts, struct kev_intern *words, struct kev_event **out) KEV_MUST_USE;

/**
 * The latest of all times that the object at token index says of itself (created, first and last seen,
 * written to): about when the server sent that revision.
 * @param out  ns since the epoch; untouched on error
 * @return 0, or -ENOENT where it says none
 */
int kev_event_latest_time(const struct kev_json *json, uint32_t index, int64_t *out) KEV_MUST_USE;

/** A printed event is at most this long: it can be scanned again, for its line and its attributes. */
#define KEV_EVENT_SIZE_MAX KEV_JSON_TEXT_MAX

struct kev_event *kev_event_ref(struct kev_event *event);
void kev_event_unref(struct kev_event *event);
static inline void kev_event_unrefp(struct kev_event **event)
{
	kev_event_unref(*event);
}

/** metadata.name, uid and resourceVersion: borrowed from the event or from room, so as long as both. */
struct kev_str kev_event_name(const struct kev_event *event, struct kev_event_room *room);
struct kev_str kev_event_uid(const struct kev_event *event, struct kev_event_room *room);
struct kev_str kev_event_resource_version(const struct kev_event *event, struct kev_event_room *room);

struct kev_str kev_event_namespace(const struct kev_event *event); /**< metadata.namespace */
struct kev_str kev_event_object_api_version(const struct kev_event *event);
struct kev_str kev_event_object_kind(const struct kev_event *event);
struct kev_str kev_event_object_namespace(const struct kev_event *event);
struct kev_str kev_event_object_name(const struct kev_event *event);
struct kev_str kev_event_type(const struct kev_event *event);
struct kev_str kev_event_reason(const struct kev_event *event);
struct kev_str kev_event_node(const struct kev_event *event); /**< kev_fields_append_node() */

/**
 * The file's mtime, ns since the epoch: the time in the name, else the first that is set of eventTime,
 * firstTimestamp, lastTimestamp, series.lastObservedTime, creationTimestamp; 0 where there is none.
 */
int64_t kev_event_mtime(const struct kev_event *event);

/** Is that the time in the name? */
bool kev_event_has_named_time(const struct kev_event *event);

/**
 * The server's last write, ns since the epoch in whole seconds: the latest metadata.managedFields[].time,
 * else last seen (series.lastObservedTime, lastTimestamp, eventTime); but not before creationTimestamp. 0
 * where there is none.
 */
int64_t kev_event_written(const struct kev_event *event);

/**
 * When the server created the Event, ns since the epoch: metadata.creationTimestamp. Whoever creates or
 * updates it can choose every other time in it, of kev_event_written() too (a client may send its
 * managedFields), but not this one. Reads the text again, so it is not for every Event.
 * @param out  untouched on error
 * @return 0, -ENOENT (it says none that makes sense) or -ENOMEM
 */
int kev_event_find_created(const struct kev_event *event, int64_t *out) KEV_MUST_USE;

/**
 * When it happened last, ns since the epoch: kev_fields_last_seen(), but the time in the name where that lies
 * in the same second, of which the former knows no part; 0 where there is none.
 */
int64_t kev_event_last_seen(const struct kev_event *event);

/** The file's ctime, ns since the epoch: when this revision came to be. 0 until the store has set it. */
int64_t kev_event_ctime(const struct kev_event *event);

/** Set the ctime. Only the store does this, before it publishes the event. */
void kev_event_set_ctime(struct kev_event *event, int64_t ctime);

/**
 * When it was found that the server no longer has this event, ns since the epoch; 0: it is there, as far as
 * is known. The one thing about an event that changes: it may be asked and set by different threads.
 */
int64_t kev_event_gone(const struct kev_event *event);

/** Mark it as gone, or (0) take the mark away. Only the store does this. */
void kev_event_set_gone(struct kev_event *event, int64_t gone);

/** A number of use to the store, which alone reads and sets it, under its lock. */
uint32_t kev_event_place(const struct kev_event *event);
void kev_event_set_place(struct kev_event *event, uint32_t place);

/** Length of what `kubectl get event NAME -o json` prints, in bytes. */
size_t kev_event_size(const struct kev_event *event);

/**
 * Copy bytes of what kubectl prints. It is not kept as it is printed (pack.h): all of it at once is cheapest.
 * @return bytes copied: len, less at the end, 0 at or behind it; -ENOMEM
 */
ssize_t kev_event_read(const struct kev_event *event, size_t offset, void *out, size_t len);

/** Append all of it. @return 0 or the buffer's error */
int kev_event_append_text(const struct kev_event *event, struct kev_buf *out) KEV_MUST_USE;

/**
 * Scan its text.
 * @param text  an empty buffer of KEV_EVENT_SIZE_MAX: the text is put there, and the scanner borrows it
 * @return 0, -ENOMEM; -EINVAL or -E2BIG (one that was restored, whose text is no JSON)
 */
int kev_event_scan(const struct kev_event *event, struct kev_buf *text, struct kev_json *json) KEV_MUST_USE;

/** Length of its line in events.log (line.h), with the newline. */
size_t kev_event_line_size(const struct kev_event *event);

/**
 * Append that line.
 * @param json  a scanner; what it holds afterwards is of no use
 * @return 0, the buffer's error, or -ENOMEM
 */
int kev_event_append_line(
	const struct kev_event *event, struct kev_json *json, struct kev_buf *out) KEV_MUST_USE;

/** Length of its line in events.jsonl, with the newline. */
size_t kev_event_compact_size(const struct kev_event *event);

/** Append that line: what kubectl prints, without white space between the tokens. @return 0, the buffer's
 * error or -ENOMEM */
int kev_event_append_compact(const struct kev_event *event, struct kev_buf *out) KEV_MUST_USE;

/** Are these the same revision: uid, resourceVersion and every byte of the printed form? (A restored etcd
 * hands out resourceVersions again.) */
bool kev_event_same(const struct kev_event *a, const struct kev_event *b);

/** Its strings are asked for soon: a walk over a hundred thousand events otherwise waits for memory half of
 * the time. */
void kev_event_prefetch(const struct kev_event *event);

/** Bytes of memory that the event takes, roughly, without what it shares with others. */
size_t kev_event_memory(const struct kev_event *event);

#endif
