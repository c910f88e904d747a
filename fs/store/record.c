#include "kevfs/store/record.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kevfs/event/line.h"

/* What is not just an event that was seen. */
struct notice {
	_Atomic uint32_t references;
	uint32_t line_size;
	struct kev_occurrence occurrence; /* with a reference to its event */
};

/* A record is the address of an event, or of a notice: then its lowest bit is set. */
#define NOTICE 1U

static struct notice *notice_of(const struct kev_record *record)
{
	uintptr_t address = (uintptr_t)record;

	if (!(address & NOTICE))
		return NULL;
	return (struct notice *)(address - NOTICE); /* NOLINT(performance-no-int-to-ptr) */
}

/* Of what is no notice. */
static struct kev_event *event_of(const struct kev_record *record)
{
	return (struct kev_event *)(uintptr_t)record; /* NOLINT(performance-no-int-to-ptr) */
}

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
	struct kev_event_room room;

	kev_buf_append_str(out, kev_event_name(event, &room));
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
static int measure(struct notice *notice)
{
	KEV_CLEANUP(buf_fini) struct kev_buf line;
	int r;

	kev_buf_init(&line, KEV_LINE_MAX);
	r = append_notice(&notice->occurrence, &line);
	notice->line_size = (uint32_t)line.len;
	return r ? -ENOMEM : 0;
}

static struct kev_record *create_notice(const struct kev_occurrence *occurrence)
{
	struct notice *notice = malloc(sizeof(*notice));

	if (!notice)
		return NULL;
	notice->occurrence = *occurrence;
	if (measure(notice)) {
		free(notice);
		return NULL;
	}
	kev_event_ref(occurrence->event);
	atomic_init(&notice->references, 1);
	return (struct kev_record *)((char *)notice + NOTICE);
}

struct kev_record *kev_record_create(const struct kev_occurrence *occurrence)
{
	if (occurrence->kind != KEV_OCCURRENCE_SEEN)
		return create_notice(occurrence);
	return (struct kev_record *)kev_event_ref(occurrence->event);
}

struct kev_record *kev_record_ref(struct kev_record *record)
{
	struct notice *notice = notice_of(record);

	if (notice)
		atomic_fetch_add_explicit(&notice->references, 1, memory_order_relaxed);
	else
		kev_event_ref(event_of(record));
	return record;
}

void kev_record_unref(struct kev_record *record)
{
	struct notice *notice = notice_of(record);

	if (!notice) {
		kev_event_unref(event_of(record));
	} else if (atomic_fetch_sub_explicit(&notice->references, 1, memory_order_acq_rel) == 1) {
		kev_event_unref(notice->occurrence.event);
		free(notice);
	}
}

struct kev_occurrence kev_record_occurrence(const struct kev_record *record)
{
	const struct notice *notice = notice_of(record);
	struct kev_event *event = event_of(record);

	if (notice)
		return notice->occurrence;
	return (struct kev_occurrence){
		.event = event, .kind = KEV_OCCURRENCE_SEEN, .when = kev_event_ctime(event)};
}

int64_t kev_record_time(const struct kev_record *record)
{
	const struct notice *notice = notice_of(record);

	return notice ? notice->occurrence.when : kev_event_last_seen(event_of(record));
}

int kev_record_compare(const void *a, const void *b)
{
	const struct kev_record *one = *(struct kev_record *const *)a,
				*other = *(struct kev_record *const *)b;
	int64_t x = kev_record_time(one), y = kev_record_time(other);

	if (x == y) {
		x = kev_record_occurrence(one).when;
		y = kev_record_occurrence(other).when;
	}
	return x < y ? -1 : x > y;
}

size_t kev_record_size(const struct kev_record *record, enum kev_record_form form)
{
	const struct notice *notice = notice_of(record);

	if (notice)
		return form == KEV_RECORD_LINE ? notice->line_size : 0;
	return form == KEV_RECORD_LINE ? kev_event_line_size(event_of(record))
				       : kev_event_compact_size(event_of(record));
}

int kev_record_append(const struct kev_record *record, enum kev_record_form form, struct kev_json *json,
	struct kev_buf *out)
{
	const struct notice *notice = notice_of(record);

	if (notice)
		return form == KEV_RECORD_LINE ? append_notice(&notice->occurrence, out) : 0;
	return form == KEV_RECORD_LINE ? kev_event_append_line(event_of(record), json, out)
				       : kev_event_append_compact(event_of(record), out);
}

void kev_records_free(struct kev_record **records, size_t count)
{
	for (size_t i = 0; i < count; i++)
		kev_record_unref(records[i]);
	free(records);
}
