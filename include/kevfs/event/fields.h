#ifndef KEVFS_EVENT_FIELDS_H
#define KEVFS_EVENT_FIELDS_H

#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/json.h"

/**
 * Where the fields of an Event stand in its text, under the names of core/v1; what is called otherwise in
 * events.k8s.io/v1, which a dump may hold, is found as well.
 *
 * What is printed of an Event has the same fields with the same values as the text that it was made from.
 */
struct kev_fields {
	/** Token indexes, each KEV_JSON_NONE where absent; any may be of any type. */
	uint32_t kind, metadata, involved_object;
	uint32_t namespace_, name, uid, resource_version, creation_timestamp, managed_fields;
	uint32_t object_api_version, object_kind, object_namespace, object_name;
	uint32_t type, reason, message;
	uint32_t event_time, first_timestamp, last_timestamp, observed; /**< the last: of the series */
	uint32_t count;                                                 /**< the series', else its own */
	uint32_t component;                                             /**< source, else reporting */
	uint32_t host;               /**< source.host; not what reports: that may be a pod */
	uint32_t reporting_instance; /**< of kubelet: its node */
};

/** Find the fields of the object at token index; of anything else they are all absent. */
void kev_fields_find(const struct kev_json *json, uint32_t index, struct kev_fields *out);

/** Occurrences that this revision stands for: at least 1. */
uint64_t kev_fields_count(const struct kev_json *json, const struct kev_fields *fields);

/**
 * First seen: the first that is set of firstTimestamp, eventTime, creationTimestamp.
 * @return ns since the epoch; 0 where there is none
 */
int64_t kev_fields_first_seen(const struct kev_json *json, const struct kev_fields *fields);

/**
 * Last seen, as kubectl takes it: the first that is set of series.lastObservedTime, lastTimestamp, eventTime,
 * firstTimestamp, creationTimestamp.
 * @return ns since the epoch; 0 where there is none
 */
int64_t kev_fields_last_seen(const struct kev_json *json, const struct kev_fields *fields);

/**
 * What is seen to the second, and the time in the name (kev_event_mtime()): the latter where it lies in that
 * second, of which the former knows no part. What happened once has its name's time.
 */
int64_t kev_fields_sharpen(int64_t seen, int64_t named);

/**
 * Append the name of the node that the Event came from, or is about: source.host, else the involved object
 * where that is a Node, else the instance of the kubelet that reports it; nothing where it is of none.
 * @return 0 or the buffer's error
 */
int kev_fields_append_node(const struct kev_json *json, const struct kev_fields *fields, struct kev_buf *out);

#endif
