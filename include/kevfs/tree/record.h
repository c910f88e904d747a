#ifndef KEVFS_TREE_RECORD_H
#define KEVFS_TREE_RECORD_H

#include "kevfs/event/event.h"
#include "kevfs/store/changes.h"

/** What a log says: a record is a line in each log that it belongs to. Immutable, shared by reference counts,
 * from any thread. */
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
 * @return new, or NULL on ENOMEM
 */
struct kev_record *kev_record_create(const struct kev_occurrence *occurrence /* borrowed */);

struct kev_record *kev_record_ref(struct kev_record *record);
void kev_record_unref(struct kev_record *record);

/** Bytes of the record in a log of that form. */
size_t kev_record_size(const struct kev_record *record, enum kev_record_form form);

/**
 * Append the record: so many bytes, if the event's parts fit together (kev_event_restore()).
 * @param json  a scanner to work with
 * @return 0; -EINVAL, -E2BIG or the buffer's error where they do not; -ENOMEM
 */
int kev_record_append(const struct kev_record *record, enum kev_record_form form, struct kev_json *json,
	struct kev_buf *out) KEV_MUST_USE;

#endif
