#ifndef KEVFS_STORE_ARCHIVE_INTERNAL_H
#define KEVFS_STORE_ARCHIVE_INTERNAL_H

/* What the modules of the archive share: archive_load.c puts into the store what the history holds, before
 * there is a thread; archive.c is that thread, which keeps the history equal to the store. */

#include <pthread.h>
#include <stdatomic.h>

#include "kevfs/store/archive.h"
#include "kevfs/store/changes.h"
#include "kevfs/store/wall.h"

/* What is committed at once: so many changes, or those of so long. */
#define BATCH_MAX 4096
#define BATCH_MS 100

struct kev_archive {
	struct kev_archive_config config;
	struct kev_history *history;
	struct kev_changes *changes;
	pthread_t thread;
	bool started;
	atomic_bool synced; /* the first sync is complete */

	/* The thread's own. */
	struct kev_change batch[BATCH_MAX];
	size_t count;
	bool compare;            /* the journal has lost something */
	bool whole;              /* nothing of the first sync is still in the journal */
	bool complete;           /* noted that everything is there */
	struct kev_kinds *kinds; /* that were saved last; a reference */
	bool access_saved;       /* whose events may be seen, as of … */
	uint64_t access;         /* … kev_store_access_changes() */
	uint64_t added;          /* in this transaction */
	int64_t purge_wait;      /* ns until there is something to purge */
	struct kev_wall wall;    /* by which that is done */
	struct kev_error error;

	pthread_mutex_t lock; /* protects what follows; a leaf */
	pthread_cond_t cond;  /* stopping */
	bool stopping;
	struct kev_archive_status status;
};

#endif
