#ifndef KEVFS_TREE_RECORD_H
#define KEVFS_TREE_RECORD_H

#include "kevfs/event/event.h"

/** What a log says: a record is a line in each log that it belongs to. Immutable, shared by reference counts,
 * from any thread. */
struct kev_record;

/** The two forms of a log. */
enum kev_form {
	KEV_FORM_LINE, /**< events.log: text (event/line.h) */
	KEV_FORM_JSON, /**< events.jsonl: the Event, compact */
};
#define KEV_FORM_COUNT 2

/** A revision was seen. @return new, or NULL on ENOMEM */
struct kev_record *kev_record_create(struct kev_event *event /* borrowed */);

struct kev_record *kev_record_ref(struct kev_record *record);
void kev_record_unref(struct kev_record *record);

/** Bytes of the record in a log of that form. */
size_t kev_record_size(const struct kev_record *record, enum kev_form form);

/**
 * Append the record, exactly so many bytes.
 * @param json  a scanner to work with
 * @return 0 or -ENOMEM
 */
int kev_record_append(const struct kev_record *record, enum kev_form form, struct kev_json *json,
	struct kev_buf *out) KEV_MUST_USE;

#endif
