#ifndef KEVFS_EVENT_STRUCT_H
#define KEVFS_EVENT_STRUCT_H

#include <stdint.h>

#include "kevfs/event/event.h"
#include "kevfs/event/pack.h"

/* One allocation: the struct, its own strings, the codes of its printed form. */
struct kev_event {
	_Atomic uint32_t references;
	uint32_t place;           /* the store's own */
	struct kev_intern *words; /* a reference */
	struct kev_pack pack;
	uint32_t ends[KEV_PACK_OWN_COUNT]; /* offset in bytes behind each string */
	uint32_t end;                      /* behind the codes, which stand behind the last string */
	uint32_t size;                     /* of the printed form */
	uint32_t line_size;                /* of its line in a log */
	uint32_t compact_size;             /* of its line of JSON */
	int64_t mtime;
	int64_t written;
	int64_t last_seen;
	int64_t ctime;        /* not before it is published: then immutable like everything else */
	_Atomic int64_t gone; /* the one exception */
	char bytes[];
};

#endif
