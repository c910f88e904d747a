#ifndef KEVFS_TESTS_UNIT_EVENT_CREATED_H
#define KEVFS_TESTS_UNIT_EVENT_CREATED_H

#include "../words.h"
#include "kevfs/event/event.h"
#include "scanned.h"

/** The event of a text that must be one. @return new */
static inline struct kev_event *created(struct kev_str text)
{
	struct kev_json *json = scanned(text);
	struct kev_event *event = NULL;
	struct kev_error error;

	if (kev_event_create(json, 0, words(), &event, &error))
		fail_msg("%s", error.text);
	kev_json_destroy(json);
	return event;
}

#endif
