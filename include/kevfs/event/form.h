#ifndef KEVFS_EVENT_FORM_H
#define KEVFS_EVENT_FORM_H

#include "kevfs/base/str.h"

/** In which form Events stand in a text. */
enum kev_form {
	KEV_FORM_LIST,      /**< one object with "items": kubectl's List, the API server's EventList */
	KEV_FORM_RECORDING, /**< the lines of a watch: {"type":"ADDED","object":{...}} */
	KEV_FORM_EVENTS,    /**< single Events, one behind the other: events.jsonl */
};

/**
 * What a text is that begins like this: its first object's own members say so, in whatever order they stand.
 * A guess; who reads the text finds out. What says nothing is taken for a list.
 */
enum kev_form kev_form_guess(struct kev_str beginning);

#endif
