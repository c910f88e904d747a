#ifndef KEVFS_EVENT_STRUCT_H
#define KEVFS_EVENT_STRUCT_H

#include <stdint.h>

#include "kevfs/event/event.h"

/* One allocation: the struct, and what else is the event's own (event_own.h). */
struct kev_event {
	_Atomic uint32_t references;
	uint32_t place;           /* the store's own */
	struct kev_intern *words; /* a reference */
	int64_t ctime;            /* not before it is published: then immutable like everything else */
	_Atomic int64_t gone;     /* the one exception */
	unsigned char bytes[];
};

#endif
