#include <errno.h>

#include "history_internal.h"

/* No clock is as far ahead; and marks that follow this one do not overflow. */
#define MARK_MAX (INT64_MAX - 1000000000 * KEV_NS_PER_SEC)

static int read_kinds(struct kev_statement *statement, struct kev_kinds *kinds, struct kev_error *error)
{
	int r;

	while ((r = kev_statement_step(statement, error)) == 1) {
		r = kev_kinds_add(kinds, kev_statement_str(statement, 0), kev_statement_str(statement, 1),
			kev_statement_str(statement, 2));
		/* What discovery would not have given is left out. */
		if (r && r != -EINVAL)
			return r;
	}
	return r;
}

int kev_history_load_kinds(struct kev_history *history, struct kev_kinds **out, struct kev_error *error)
{
	KEV_CLEANUP(statement_destroyp) struct kev_statement *statement = NULL;
	struct kev_kinds *kinds = kev_kinds_create();
	int r = kinds ? kev_statement_create(history->database,
				"SELECT api_group, kind, plural FROM kinds ORDER BY rowid", &statement, error)
		      : -ENOMEM;

	if (!r)
		r = read_kinds(statement, kinds, error);
	if (r || kev_kinds_count(kinds) == 0) {
		kev_kinds_unref(kinds);
		kinds = NULL;
	}
	if (!r)
		*out = kinds;
	return r;
}

/* ---- revisions ---- */

#define COLUMNS                                                                                           \
	"SELECT gone, superseded, line_size, compact_size, mtime, written, last_seen, ctime, namespace, " \
	"name, uid, resource_version, object_api_version, object_kind, object_namespace, object_name, "   \
	"type, "                                                                                          \
	"reason, node, text FROM revisions "

#define IN_TIME "WHERE ctime >= ?1 AND ctime < ?2 AND (superseded = 0 OR superseded >= ?3) "

/* The moment from which on superseded revisions make up at most so many bytes. */
static int find_cut(
	struct kev_history *history, uint64_t superseded_bytes, int64_t *cut, struct kev_error *error)
{
	KEV_CLEANUP(statement_destroyp) struct kev_statement *statement = NULL;
	uint64_t sum = 0;
	int r;

	*cut = 0;
	if (superseded_bytes >= history->counts.superseded_bytes)
		return 0;
	*cut = INT64_MAX;
	r = kev_statement_create(history->database,
		"SELECT superseded, size FROM revisions WHERE superseded > 0 ORDER BY superseded DESC",
		&statement, error);
	while (!r && (r = kev_statement_step(statement, error)) == 1) {
		sum += (uint64_t)kev_statement_int(statement, 1);
		if (sum > superseded_bytes)
			return 0;
		*cut = kev_statement_int(statement, 0);
		r = 0;
	}
	return r;
}

static int prepare_walk(struct kev_history *history, const struct kev_history_query *query,
	struct kev_statement **statement, struct kev_error *error)
{
	/* Without a namespace, in the table's own order; with one, by its index; an object has one of its
	 * own. */
	static const char all[] = COLUMNS IN_TIME "ORDER BY id";
	static const char some[] = COLUMNS IN_TIME "AND namespace = ?4 AND (?5 = x'' OR object_kind = ?5) "
						   "AND (?6 = x'' OR object_name = ?6) ORDER BY id";
	static const char one[] =
		COLUMNS IN_TIME "AND namespace = ?4 AND object_kind = ?5 AND object_name = ?6 ORDER BY id";
	const char *sql = !query->namespace_.len                             ? all
			  : query->object_kind.len && query->object_name.len ? one
									     : some;
	int64_t cut;
	int r = find_cut(history, query->superseded_bytes, &cut, error);

	if (!r)
		r = kev_statement_create(history->database, sql, statement, error);
	if (r)
		return r;
	kev_statement_bind_int(*statement, 1, query->since);
	kev_statement_bind_int(*statement, 2, query->until ? query->until : INT64_MAX);
	kev_statement_bind_int(*statement, 3, cut);
	if (query->namespace_.len) {
		kev_statement_bind_str(*statement, 4, query->namespace_);
		kev_statement_bind_str(*statement, 5, query->object_kind);
		kev_statement_bind_str(*statement, 6, query->object_name);
	}
	return 0;
}

/* Only what is said in the row. @return 0, -EINVAL or -ENOMEM */
static int restore(struct kev_statement *statement, struct kev_intern *words, struct kev_event **out)
{
	const struct kev_event_parts parts = {
		.line_size = (uint64_t)kev_statement_int(statement, 2),
		.compact_size = (uint64_t)kev_statement_int(statement, 3),
		.mtime = kev_statement_int(statement, 4),
		.written = kev_statement_int(statement, 5),
		.last_seen = kev_statement_int(statement, 6),
		.ctime = kev_statement_int(statement, 7),
		.namespace_ = kev_statement_str(statement, 8),
		.name = kev_statement_str(statement, 9),
		.uid = kev_statement_str(statement, 10),
		.resource_version = kev_statement_str(statement, 11),
		.object_api_version = kev_statement_str(statement, 12),
		.object_kind = kev_statement_str(statement, 13),
		.object_namespace = kev_statement_str(statement, 14),
		.object_name = kev_statement_str(statement, 15),
		.type = kev_statement_str(statement, 16),
		.reason = kev_statement_str(statement, 17),
		.node = kev_statement_str(statement, 18),
		.text = kev_statement_str(statement, 19),
	};

	return kev_event_restore(&parts, words, out);
}

static bool is_mark(int64_t time)
{
	return time >= 0 && time <= MARK_MAX;
}

static int visit_row(struct kev_statement *statement, struct kev_intern *words, kev_history_fn *visit,
	void *context, uint64_t *skipped)
{
	struct kev_history_revision revision = {
		.gone = kev_statement_int(statement, 0), .superseded = kev_statement_int(statement, 1)};
	int r = restore(statement, words, &revision.event);

	if (r == -EINVAL || (!r && !(is_mark(revision.gone) && is_mark(revision.superseded)))) {
		kev_event_unref(revision.event);
		(*skipped)++;
		return 0;
	}
	if (r)
		return r;
	r = visit(context, &revision);
	kev_event_unref(revision.event);
	return r;
}

int kev_history_walk(struct kev_history *history, const struct kev_history_query *query,
	struct kev_intern *words, kev_history_fn *visit, void *context, uint64_t *skipped,
	struct kev_error *error)
{
	KEV_CLEANUP(statement_destroyp) struct kev_statement *statement = NULL;
	int r = prepare_walk(history, query, &statement, error);

	while (!r && (r = kev_statement_step(statement, error)) == 1)
		r = visit_row(statement, words, visit, context, skipped);
	return r;
}
