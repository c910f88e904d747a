#ifndef KEVFS_STORE_RECORD_H
#define KEVFS_STORE_RECORD_H

#include "kevfs/event/event.h"

/** What is known of an event's involved object. */
enum kev_object_state {
	KEV_OBJECT_UNKNOWN, /**< no pod, or pods may not be listed */
	KEV_OBJECT_THERE,   /**< a pod, and there is one of its name */
	KEV_OBJECT_MISSING, /**< a pod, and there is none of its name */
};

/** What the logs tell of a change: something that happened to an event. */
struct kev_occurrence {
	struct kev_event *event;
	enum {
		KEV_OCCURRENCE_SEEN, /**< this revision was seen */
		KEV_OCCURRENCE_GONE, /**< the server no longer has it */
		KEV_OCCURRENCE_BACK, /**< the server has it again */
	} kind;
	enum kev_object_state object; /**< of GONE */
	int64_t when;                 /**< realtime ns */
};

/**
 * An occurrence that is kept: a line in each log that it belongs to. Immutable, shared by reference counts,
 * from any thread. That a revision was seen takes no memory but the revision's: the pointer is the event's
 * own, and only what else happens, which is rare, is an allocation.
 */
struct kev_record;

/** The two forms of a log. */
enum kev_record_form {
	KEV_RECORD_LINE, /**< events.log: text (event/line.h) */
	KEV_RECORD_JSON, /**< events.jsonl: the Event, compact */
};
#define KEV_RECORD_FORMS 2

/**
 * A revision that was seen has its own two lines (kev_event_append_line(), kev_event_append_compact()). That
 * the server no longer has an event, or has it again, is told in events.log only, by a line of the same form:
 *
 *   2026-11-27T10:10:27.000Z default/pod/web-1 - Gone x1 kevfs web-1.18ae… (BackOff) 1h2m3s after its …
 *
 * @return new, or NULL on ENOMEM (not of what was SEEN)
 */
struct kev_record *kev_record_create(const struct kev_occurrence *occurrence /* borrowed */);

struct kev_record *kev_record_ref(struct kev_record *record);
void kev_record_unref(struct kev_record *record);

/** What it tells of; its event is borrowed. Of what was SEEN, when is the event's ctime. */
struct kev_occurrence kev_record_occurrence(const struct kev_record *record);

/** When what it tells of happened: when a revision was seen last, as it says itself. ns since the epoch */
int64_t kev_record_time(const struct kev_record *record);

/** For qsort: by that time; of one moment, by when it was written: what was listed came in the order of its
 * names. @param a  of struct kev_record * */
int kev_record_compare(const void *a, const void *b);

/** Bytes of the record in a log of that form. */
size_t kev_record_size(const struct kev_record *record, enum kev_record_form form);

/**
 * Append the record: so many bytes, if the event's parts fit together (kev_event_restore()).
 * @param json  a scanner to work with
 * @return 0; -EINVAL, -E2BIG or the buffer's error where they do not; -ENOMEM
 */
int kev_record_append(const struct kev_record *record, enum kev_record_form form, struct kev_json *json,
	struct kev_buf *out) KEV_MUST_USE;

/** Let go of an array of them. */
void kev_records_free(struct kev_record **records, size_t count);

#endif
