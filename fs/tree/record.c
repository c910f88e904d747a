#include "kevfs/tree/record.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kevfs/event/line.h"

struct kev_record {
	_Atomic uint32_t references;
	uint32_t line_size;
	struct kev_occurrence occurrence; /* with a reference to its event */
};

/* An age as kubectl writes one, to the second. */
static void append_age(struct kev_buf *out, int64_t ns)
{
	long long seconds = ns > 0 ? ns / KEV_NS_PER_SEC : 0;

	if (seconds >= 3600)
		kev_buf_printf(out, "%lldh", seconds / 3600);
	if (seconds >= 60)
		kev_buf_printf(out, "%lldm", seconds / 60 % 60);
	kev_buf_printf(out, "%llds", seconds % 60);
}

/* What is known; whether it had expired or was deleted, the API does not say. */
static void append_message(struct kev_buf *out, const struct kev_occurrence *occurrence)
{
	const struct kev_event *event = occurrence->event;

	kev_buf_append_str(out, kev_event_name(event));
	kev_buf_append_c(out, " (");
	kev_buf_append_str(out, kev_event_reason(event));
	kev_buf_append_char(out, ')');
	if (occurrence->kind == KEV_OCCURRENCE_BACK) {
		kev_buf_append_c(out, " is there again");
		return;
	}
	if (kev_event_written(event) > 0) {
		kev_buf_append_char(out, ' ');
		append_age(out, occurrence->when - kev_event_written(event));
		kev_buf_append_c(out, " after its last update");
	}
	if (occurrence->object == KEV_OBJECT_THERE)
		kev_buf_append_c(out, "; the pod is there");
	else if (occurrence->object == KEV_OBJECT_MISSING)
		kev_buf_append_c(out, "; the pod is gone too");
}

static int append_notice(const struct kev_occurrence *occurrence, struct kev_buf *out)
{
	const struct kev_event *event = occurrence->event;
	KEV_CLEANUP(buf_fini) struct kev_buf message;

	kev_buf_init(&message, KEV_EVENT_SIZE_MAX);
	append_message(&message, occurrence);
	if (message.error)
		return message.error;
	return kev_line_append(out,
		&(struct kev_line){.time = occurrence->when,
			.namespace_ = kev_event_namespace(event),
			.kind = kev_event_object_kind(event),
			.object = kev_event_object_name(event),
			.reason = occurrence->kind == KEV_OCCURRENCE_GONE ? KEV_STR("Gone") : KEV_STR("Back"),
			.count = 1,
			.component = KEV_STR("kevfs"),
			.message = kev_buf_str(&message)});
}

/* How long its line is. @return 0 or -ENOMEM */
static int measure(struct kev_record *record)
{
	KEV_CLEANUP(buf_fini) struct kev_buf line;
	int r;

	kev_buf_init(&line, KEV_LINE_MAX);
	if (record->occurrence.kind == KEV_OCCURRENCE_SEEN) {
		record->line_size = (uint32_t)kev_event_line_size(record->occurrence.event);
		return 0;
	}
	r = append_notice(&record->occurrence, &line);
	record->line_size = (uint32_t)line.len;
	return r ? -ENOMEM : 0;
}

struct kev_record *kev_record_create(const struct kev_occurrence *occurrence)
{
	struct kev_record *record = malloc(sizeof(*record));

	if (!record)
		return NULL;
	record->occurrence = *occurrence;
	kev_event_ref(occurrence->event);
	atomic_init(&record->references, 1);
	if (measure(record) == 0)
		return record;
	kev_record_unref(record);
	return NULL;
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
	kev_event_unref(record->occurrence.event);
	free(record);
}

size_t kev_record_size(const struct kev_record *record, enum kev_record_form form)
{
	if (form == KEV_RECORD_LINE)
		return record->line_size;
	return record->occurrence.kind == KEV_OCCURRENCE_SEEN
		       ? kev_event_compact_size(record->occurrence.event)
		       : 0;
}

int kev_record_append(const struct kev_record *record, enum kev_record_form form, struct kev_json *json,
	struct kev_buf *out)
{
	if (record->occurrence.kind == KEV_OCCURRENCE_SEEN)
		return form == KEV_RECORD_LINE ? kev_event_append_line(record->occurrence.event, json, out)
					       : kev_event_append_compact(record->occurrence.event, out);
	return form == KEV_RECORD_LINE ? append_notice(&record->occurrence, out) : 0;
}
