#include "kevfs/tree/record.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kevfs/event/line.h"

struct kev_record {
	_Atomic uint32_t references;
	struct kev_event *event; /* a reference */
};

struct kev_record *kev_record_create(struct kev_event *event)
{
	struct kev_record *record = malloc(sizeof(*record));

	if (!record)
		return NULL;
	record->event = kev_event_ref(event);
	atomic_init(&record->references, 1);
	return record;
}

struct kev_record *kev_record_ref(struct kev_record *record)
{
	atomic_fetch_add_explicit(&record->references, 1, memory_order_relaxed);
	return record;
}

void kev_record_unref(struct kev_record *record)
{
	if (!record || atomic_fetch_sub_explicit(&record->references, 1, memory_order_acq_rel) != 1)
		return;
	kev_event_unref(record->event);
	free(record);
}

size_t kev_record_size(const struct kev_record *record, enum kev_form form)
{
	return form == KEV_FORM_LINE ? kev_event_line_size(record->event)
				     : kev_event_compact_size(record->event);
}

int kev_record_append(
	const struct kev_record *record, enum kev_form form, struct kev_json *json, struct kev_buf *out)
{
	return form == KEV_FORM_LINE ? kev_event_append_line(record->event, json, out)
				     : kev_event_append_compact(record->event, out);
}
