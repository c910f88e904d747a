#ifndef KEVFS_TESTS_UNIT_ROOM_H
#define KEVFS_TESTS_UNIT_ROOM_H

#include "kevfs/event/event.h"

/* Room for a string of an event, until the block ends. */
#define ROOM (&(struct kev_event_room){""})

#endif
