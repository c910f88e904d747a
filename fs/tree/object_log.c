#include "kevfs/tree/object_log.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/tree/edit_event.h"
#include "kevfs/tree/internal.h"
#include "kevfs/tree/log.h"
#include "kevfs/tree/logs.h"
#include "kevfs/tree/object.h"

/* What a log is made of at once, while everybody waits: so many take less than a millisecond. */
#define IMPLIED_MAX 256

static struct kev_place home_of(struct kev_object *object)
{
	return (struct kev_place){&kev_role_object_control, object};
}

static struct kev_tree *tree_of(const struct kev_object *object)
{
	return object->resource->namespace_->tree;
}

void kev_object_log_count(struct kev_object *object, bool current)
{
	if (current)
		object->events->told++;
	else
		object->events->told_more = true;
}

/* Are its events all that was told of it, each once? If somebody has looked at its log there is a file. */
static bool is_implied(const struct kev_object_events *events)
{
	return events->told && events->told == events->listing.members.count && !events->told_more &&
	       events->told <= IMPLIED_MAX && !events->log.current;
}

/* @return some of the resource's logs are to be written */
static bool imply_resource(struct kev_resource *resource)
{
	const struct kev_members *objects = &resource->objects.members;
	bool more = false;

	for (uint32_t at = kev_members_after(objects, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(objects, at)) {
		struct kev_object *object = kev_members_item(objects, at);

		if (!object->events)
			continue;
		if (is_implied(object->events))
			object->events->implied = KEV_LOG_IMPLIED_CURRENT;
		else
			more = more || object->events->told || object->events->told_more;
	}
	return more;
}

static bool imply_namespace(struct kev_namespace *namespace_)
{
	const struct kev_members *resources = &namespace_->resources.members;
	bool more = false;

	for (uint32_t at = kev_members_after(resources, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(resources, at))
		more |= imply_resource(kev_members_item(resources, at));
	return more;
}

bool kev_object_logs_imply(struct kev_tree *tree)
{
	const struct kev_members *namespaces = &tree->namespaces.members;
	bool more = false;

	for (uint32_t at = kev_members_after(namespaces, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(namespaces, at))
		more |= imply_namespace(kev_members_item(namespaces, at));
	return more;
}

int kev_object_log_write(struct kev_edit *edit, struct kev_record *record)
{
	const struct kev_occurrence occurrence = kev_record_occurrence(record);
	struct kev_namespace *namespace_;
	struct kev_object *object;
	int r = kev_edit_find_owner(edit, occurrence.event, &namespace_, &object);

	if (r || !object || !object->events || object->events->implied)
		return r;
	r = kev_log_reserve(edit->tree, &object->events->log, home_of(object));
	if (!r)
		kev_log_append(&object->events->log, record, kev_record_time(record));
	return r;
}

/* The records of its events, in the order of time. @return new, or NULL on ENOMEM */
static struct kev_record **make_records(const struct kev_members *events)
{
	struct kev_record **records = malloc(events->count * sizeof(struct kev_record *));
	uint32_t count = 0;

	if (!records)
		return NULL;
	for (uint32_t at = kev_members_after(events, 0); at != KEV_MEMBERS_NONE;
		at = kev_members_next(events, at)) {
		const struct kev_occurrence seen = {
			.event = kev_members_item(events, at), .kind = KEV_OCCURRENCE_SEEN};

		records[count++] = kev_record_create(&seen);
	}
	qsort(records, count, sizeof(struct kev_record *), kev_record_compare);
	return records;
}

int kev_object_log_make(struct kev_object *object)
{
	struct kev_object_events *events = object->events;
	struct kev_record **records;
	int r;

	if (!events || !events->implied)
		return 0;
	records = make_records(&events->listing.members);
	if (!records)
		return -ENOMEM;
	r = kev_log_fill(
		tree_of(object), &events->log, home_of(object), records, events->listing.members.count);
	if (r) {
		kev_records_free(records, events->listing.members.count);
		return r;
	}
	if (events->implied == KEV_LOG_IMPLIED_PREVIOUS)
		kev_log_rotate(&events->log);
	events->implied = KEV_LOG_NOT_IMPLIED;
	return 0;
}

void kev_object_log_rotate(struct kev_object *object)
{
	struct kev_object_events *events = object->events;

	if (!events)
		return;
	if (events->implied)
		events->implied = events->implied == KEV_LOG_IMPLIED_CURRENT ? KEV_LOG_IMPLIED_PREVIOUS
									     : KEV_LOG_NOT_IMPLIED;
	else
		kev_log_rotate(&events->log);
}
