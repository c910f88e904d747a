#ifndef KEVFS_STORE_HISTORY_INTERNAL_H
#define KEVFS_STORE_HISTORY_INTERNAL_H

/* What the modules of the history's one struct share: history.c makes and writes it, history_read.c reads it.
 */

#include "kevfs/store/database.h"
#include "kevfs/store/history.h"

/* Each statement is prepared once. */
enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	FIND,
	SUPERSEDE,
	INSERT,
	SET_GONE,
	PURGE,
	COUNT,
	REMOVE,
	SEEN,
	PAST,
	GET_META,
	SET_META,
	CLEAR_KINDS,
	ADD_KIND,
	STATEMENT_COUNT,
};

struct kev_history {
	struct kev_database *database;
	struct kev_statement *statements[STATEMENT_COUNT];
	bool complete;
	bool comparing;
	struct kev_history_counts counts, committed;
	struct kev_buf text; /* of the event that is being written */
};

#endif
