#include "kevfs/store/history.h"

#include <errno.h>
#include <stdlib.h>

#include "history_internal.h"

#include "kevfs/base/buf.h"
#include "kevfs/base/str.h"

/* "kevf" */
#define APPLICATION_ID 0x6b657666
#define SCHEMA_VERSION 1

#define FILE_NAME "events.db"

/* What a view is named by is as long as a command line at most. */
#define META_MAX (1U << 20)

/*
 * A revision's row is written once, and later only its gone and superseded. id is the order of arrival. The
 * strings are blobs: they are the API's own and may hold any byte. superseded is 0 for the current revision
 * of a name, of which there is one.
 */
static const char *const schema[] = {
	"CREATE TABLE meta(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
	"CREATE TABLE kinds(api_group BLOB NOT NULL, kind BLOB NOT NULL, plural BLOB NOT NULL)",
	"CREATE TABLE revisions(id INTEGER PRIMARY KEY, gone INTEGER NOT NULL, superseded INTEGER NOT NULL, "
	"size INTEGER NOT NULL, line_size INTEGER NOT NULL, compact_size INTEGER NOT NULL, "
	"mtime INTEGER NOT NULL, written INTEGER NOT NULL, last_seen INTEGER NOT NULL, ctime INTEGER NOT "
	"NULL, "
	"namespace BLOB NOT NULL, name BLOB NOT NULL, uid BLOB NOT NULL, resource_version BLOB NOT NULL, "
	"object_api_version BLOB NOT NULL, object_kind BLOB NOT NULL, object_namespace BLOB NOT NULL, "
	"object_name BLOB NOT NULL, type BLOB NOT NULL, reason BLOB NOT NULL, node BLOB NOT NULL, "
	"text BLOB NOT NULL)",
	"CREATE INDEX by_name ON revisions(namespace, name, superseded)",
	"CREATE INDEX past ON revisions(superseded, size) WHERE superseded > 0",
	"CREATE INDEX by_object ON revisions(namespace, object_kind, object_name, ctime)",
};

static const char *const statements[STATEMENT_COUNT] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[FIND] = "SELECT id, ctime, gone, uid = ?3 AND resource_version = ?4, size FROM revisions "
		 "WHERE namespace = ?1 AND name = ?2 AND superseded = 0",
	[SUPERSEDE] = "UPDATE revisions SET superseded = ?2 WHERE id = ?1",
	[INSERT] =
		"INSERT INTO revisions(gone, superseded, size, line_size, compact_size, mtime, written, "
		"last_seen, ctime, namespace, name, uid, resource_version, object_api_version, object_kind, "
		"object_namespace, object_name, type, reason, node, text) "
		"VALUES(?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[SET_GONE] = "UPDATE revisions SET gone = ?2 WHERE id = ?1",
	[PURGE] = "DELETE FROM revisions WHERE id = ?1",
	[COUNT] = "SELECT count(*), coalesce(sum(size), 0) FROM revisions WHERE namespace = ?1 AND name = ?2 "
		  "AND superseded > 0",
	[REMOVE] = "DELETE FROM revisions WHERE namespace = ?1 AND name = ?2",
	[SEEN] = "INSERT OR IGNORE INTO temp.seen VALUES(?1)",
	[PAST] = "SELECT id, superseded, size FROM revisions WHERE superseded > 0 ORDER BY superseded, size "
		 "LIMIT 1",
	[GET_META] = "SELECT value FROM meta WHERE key = ?1",
	[SET_META] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
	[CLEAR_KINDS] = "DELETE FROM kinds",
	[ADD_KIND] = "INSERT INTO kinds VALUES(?1, ?2, ?3)",
};

static int prepare(struct kev_history *history, struct kev_error *error)
{
	int r = kev_database_run(history->database, "CREATE TEMP TABLE seen(id INTEGER PRIMARY KEY)", error);

	for (int i = 0; i < STATEMENT_COUNT && !r; i++)
		r = kev_statement_create(history->database, statements[i], &history->statements[i], error);
	return r;
}

static int finish(struct kev_history *history, enum statement which, struct kev_error *error)
{
	return kev_statement_run(history->statements[which], error);
}

/* @param out  set to the value of that key; empty where there is none */
static int get_meta(
	struct kev_history *history, const char *key, struct kev_buf *out, struct kev_error *error)
{
	struct kev_statement *statement = history->statements[GET_META];
	int r;

	kev_buf_clear(out);
	kev_statement_bind_str(statement, 1, kev_str_c(key));
	r = kev_statement_step(statement, error);
	if (r == 1)
		kev_buf_append_str(out, kev_statement_str(statement, 0));
	kev_statement_rest(statement);
	if (out->error)
		kev_error_set(error, "%s: %s is too long", kev_database_path(history->database), key);
	return r < 0 ? r : out->error;
}

static int set_meta(
	struct kev_history *history, const char *key, struct kev_str value, struct kev_error *error)
{
	struct kev_statement *statement = history->statements[SET_META];

	kev_statement_bind_str(statement, 1, kev_str_c(key));
	kev_statement_bind_str(statement, 2, value);
	return finish(history, SET_META, error);
}

/* One of the things that make the view. */
struct aspect {
	const char *key, *value; /* value: borrowed; NULL counts as "" */
	const char *what, *none; /* how a value is told of, and how that there is none */
};

static void append_aspect(struct kev_buf *out, const struct aspect *aspect, struct kev_str value)
{
	if (value.len || !aspect->none)
		kev_buf_printf(out, "%s \"%.*s\"", aspect->what, (int)value.len, value.len ? value.data : "");
	else
		kev_buf_append_c(out, aspect->none);
}

static void tell_other_view(struct kev_history *history, const struct aspect *aspect, struct kev_str theirs,
	struct kev_str ours, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf text;

	kev_buf_init(&text, META_MAX);
	append_aspect(&text, aspect, theirs);
	kev_buf_append_c(&text, ", and this mount is of ");
	append_aspect(&text, aspect, ours);
	kev_error_set(error, "%s is of %.*s: each needs a directory of its own",
		kev_database_path(history->database), (int)text.len, text.len ? text.data : "");
}

/* Noted in a new history, compared in one that is there. */
static int check_aspect(
	struct kev_history *history, bool made, const struct aspect *aspect, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf theirs;
	struct kev_str value = kev_str_c(aspect->value);
	int r;

	kev_buf_init(&theirs, META_MAX);
	if (!made)
		return set_meta(history, aspect->key, value, error);
	r = get_meta(history, aspect->key, &theirs, error);
	if (r || kev_str_eq(kev_buf_str(&theirs), value))
		return r;
	tell_other_view(history, aspect, kev_buf_str(&theirs), value, error);
	return -EINVAL;
}

static int check_aspects(
	struct kev_history *history, bool made, const struct kev_history_view *view, struct kev_error *error)
{
	const struct aspect aspects[] = {
		{"server", view->server, "the server", NULL},
		{"namespaces", view->namespaces, "the namespaces", "all namespaces"},
		{"field_selector", view->field_selector, "the field selector", "no field selector"},
	};
	int r = 0;

	for (size_t i = 0; i < KEV_ARRAY_LEN(aspects) && !r; i++)
		r = check_aspect(history, made, &aspects[i], error);
	return r;
}

static int check_view(
	struct kev_history *history, const struct kev_history_view *view, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf value;
	bool made;
	int r;

	kev_buf_init(&value, META_MAX);
	r = get_meta(history, "made", &value, error);
	if (r)
		return r;
	made = value.len > 0;
	r = made ? 0 : kev_history_begin(history, error);
	if (!r)
		r = check_aspects(history, made, view, error);
	if (!r && !made)
		r = set_meta(history, "made", KEV_STR(KEVFS_VERSION), error);
	if (!r && !made)
		r = kev_history_commit(history, error);
	if (!r)
		r = get_meta(history, "complete", &value, error);
	history->complete = value.len > 0;
	return r;
}

/* @param out  untouched on error */
static int count_past(struct kev_history *history, struct kev_history_counts *out, struct kev_error *error)
{
	int64_t count = 0, bytes = 0;
	int r = kev_database_query(
		history->database, "SELECT count(*) FROM revisions WHERE superseded > 0", &count, error);

	if (!r)
		r = kev_database_query(history->database,
			"SELECT coalesce(sum(size), 0) FROM revisions WHERE superseded > 0", &bytes, error);
	if (!r)
		*out = (struct kev_history_counts){(uint64_t)count, (uint64_t)bytes};
	return r;
}

static const struct kev_database_kind file_kind = {
	APPLICATION_ID, SCHEMA_VERSION, schema, KEV_ARRAY_LEN(schema)};

static int open_all(struct kev_history *history, const char *directory, const struct kev_history_view *view,
	int patience_ms, struct kev_error *error)
{
	int r = kev_database_open(directory, FILE_NAME, &file_kind, patience_ms, &history->database, error);

	if (!r)
		r = prepare(history, error);
	if (!r)
		r = check_view(history, view, error);
	if (!r)
		r = count_past(history, &history->counts, error);
	history->committed = history->counts;
	return r;
}

int kev_history_open(const char *directory, const struct kev_history_view *view, int patience_ms,
	struct kev_history **out, struct kev_error *error)
{
	struct kev_history *history = calloc(1, sizeof(*history));
	int r;

	if (!history)
		return -ENOMEM;
	kev_buf_init(&history->text, KEV_EVENT_SIZE_MAX);
	r = open_all(history, directory, view, patience_ms, error);
	if (r) {
		kev_history_close(history);
		return r;
	}
	*out = history;
	return 0;
}

static int look_at_view(
	struct kev_history *history, const struct kev_history_view *view, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf made;
	int r = kev_statement_create(
		history->database, statements[GET_META], &history->statements[GET_META], error);

	kev_buf_init(&made, META_MAX);
	if (!r)
		r = get_meta(history, "made", &made, error);
	return r || !made.len ? r : check_aspects(history, true, view, error);
}

int kev_history_look(const char *directory, const struct kev_history_view *view, struct kev_error *error)
{
	struct kev_history *history = calloc(1, sizeof(*history));
	int r;

	if (!history)
		return -ENOMEM;
	kev_buf_init(&history->text, KEV_EVENT_SIZE_MAX);
	r = kev_database_look(directory, FILE_NAME, &file_kind, &history->database, error);
	if (!r && history->database)
		r = look_at_view(history, view, error);
	kev_history_close(history);
	return r;
}

void kev_history_close(struct kev_history *history)
{
	if (!history)
		return;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		kev_statement_destroy(history->statements[i]);
	kev_database_close(history->database);
	kev_buf_fini(&history->text);
	free(history);
}

bool kev_history_complete(const struct kev_history *history)
{
	return history->complete;
}

void kev_history_counts(const struct kev_history *history, struct kev_history_counts *out)
{
	*out = history->counts;
}

/* ---- writing ---- */

int kev_history_begin(struct kev_history *history, struct kev_error *error)
{
	return finish(history, BEGIN, error);
}

int kev_history_commit(struct kev_history *history, struct kev_error *error)
{
	int r = kev_database_check_place(history->database, error);

	if (!r)
		r = finish(history, COMMIT, error);
	if (!r)
		history->committed = history->counts;
	return r;
}

void kev_history_rollback(struct kev_history *history)
{
	if (kev_database_in_transaction(history->database))
		(void)finish(history, ROLLBACK, NULL);
	history->counts = history->committed;
	history->comparing = false;
}

/* The current revision of a name. */
struct current {
	int64_t id; /* 0: there is none */
	int64_t ctime, gone;
	bool same; /* its uid and resourceVersion are those that were asked about */
	uint64_t size;
};

/* Room must stay until the statement is done. */
static void bind_name(
	struct kev_statement *statement, const struct kev_event *event, struct kev_event_room *room)
{
	kev_statement_bind_str(statement, 1, kev_event_namespace(event));
	kev_statement_bind_str(statement, 2, kev_event_name(event, room));
}

static int find(struct kev_history *history, const struct kev_event *event, struct current *out,
	struct kev_error *error)
{
	struct kev_statement *statement = history->statements[FIND];
	struct kev_event_room rooms[3];
	int r;

	bind_name(statement, event, &rooms[0]);
	kev_statement_bind_str(statement, 3, kev_event_uid(event, &rooms[1]));
	kev_statement_bind_str(statement, 4, kev_event_resource_version(event, &rooms[2]));
	r = kev_statement_step(statement, error);
	*out = (struct current){0};
	if (r == 1)
		*out = (struct current){.id = kev_statement_int(statement, 0),
			.ctime = kev_statement_int(statement, 1),
			.gone = kev_statement_int(statement, 2),
			.same = kev_statement_int(statement, 3) != 0,
			.size = (uint64_t)kev_statement_int(statement, 4)};
	kev_statement_rest(statement);
	return r < 0 ? r : 0;
}

static int run_on_id(struct kev_history *history, enum statement which, int64_t id, struct kev_error *error)
{
	kev_statement_bind_int(history->statements[which], 1, id);
	return finish(history, which, error);
}

static int supersede(
	struct kev_history *history, const struct current *current, int64_t when, struct kev_error *error)
{
	int r;

	kev_statement_bind_int(history->statements[SUPERSEDE], 2, when > 0 ? when : 1);
	r = run_on_id(history, SUPERSEDE, current->id, error);
	if (r)
		return r;
	history->counts.superseded++;
	history->counts.superseded_bytes += current->size;
	return 0;
}

static int insert(struct kev_history *history, const struct kev_event *event, struct kev_error *error)
{
	struct kev_statement *statement = history->statements[INSERT];
	struct kev_event_parts parts;
	int at = 1, r = kev_event_take_apart(event, &history->text, &parts);

	if (r) {
		kev_error_set(error, "out of memory");
		return r;
	}
	const int64_t numbers[] = {kev_event_gone(event), (int64_t)parts.text.len, (int64_t)parts.line_size,
		(int64_t)parts.compact_size, parts.mtime, parts.written, parts.last_seen, parts.ctime};
	const struct kev_str strings[] = {parts.namespace_, parts.name, parts.uid, parts.resource_version,
		parts.object_api_version, parts.object_kind, parts.object_namespace, parts.object_name,
		parts.type, parts.reason, parts.node, parts.text};

	for (size_t i = 0; i < KEV_ARRAY_LEN(numbers); i++)
		kev_statement_bind_int(statement, at++, numbers[i]);
	for (size_t i = 0; i < KEV_ARRAY_LEN(strings); i++)
		kev_statement_bind_str(statement, at++, strings[i]);
	return finish(history, INSERT, error);
}

static int update_gone(
	struct kev_history *history, const struct current *current, int64_t gone, struct kev_error *error)
{
	if (gone == current->gone)
		return 0;
	kev_statement_bind_int(history->statements[SET_GONE], 2, gone);
	return run_on_id(history, SET_GONE, current->id, error);
}

static int note_seen(struct kev_history *history, int64_t id, struct kev_error *error)
{
	return history->comparing ? run_on_id(history, SEEN, id, error) : 0;
}

int kev_history_append(struct kev_history *history, const struct kev_event *event, int64_t when, bool *added,
	struct kev_error *error)
{
	struct current current;
	int r = find(history, event, &current, error);

	if (r)
		return r;
	if (current.id && current.same && current.ctime == kev_event_ctime(event)) {
		r = update_gone(history, &current, kev_event_gone(event), error);
		if (!r)
			r = note_seen(history, current.id, error);
		if (!r)
			*added = false;
		return r;
	}
	if (current.id && !history->comparing && current.ctime >= kev_event_ctime(event)) {
		*added = false;
		return 0;
	}
	if (current.id)
		r = supersede(history, &current, when, error);
	if (!r)
		r = insert(history, event, error);
	if (!r)
		r = note_seen(history, kev_database_last_id(history->database), error);
	if (!r)
		*added = true;
	return r;
}

int kev_history_set_gone(
	struct kev_history *history, const struct kev_event *event, int64_t gone, struct kev_error *error)
{
	struct current current;
	int r = find(history, event, &current, error);

	if (r || !current.id || current.ctime != kev_event_ctime(event))
		return r;
	return update_gone(history, &current, gone, error);
}

/* The superseded revisions of a name are about to go. */
static int count_past_of(struct kev_history *history, const struct kev_event *event, struct kev_error *error)
{
	struct kev_statement *statement = history->statements[COUNT];
	struct kev_event_room room;
	int r;

	bind_name(statement, event, &room);
	r = kev_statement_step(statement, error);
	if (r == 1) {
		history->counts.superseded -= (uint64_t)kev_statement_int(statement, 0);
		history->counts.superseded_bytes -= (uint64_t)kev_statement_int(statement, 1);
	}
	kev_statement_rest(statement);
	return r < 0 ? r : 0;
}

int kev_history_remove(struct kev_history *history, const struct kev_event *event, struct kev_error *error)
{
	struct kev_event_room room;
	struct current current;
	int r = find(history, event, &current, error);

	if (r || !current.id || current.ctime > kev_event_ctime(event))
		return r;
	r = count_past_of(history, event, error);
	if (r)
		return r;
	bind_name(history->statements[REMOVE], event, &room);
	return finish(history, REMOVE, error);
}

int kev_history_compare_begin(struct kev_history *history, struct kev_error *error)
{
	int r = kev_database_run(history->database, "DELETE FROM temp.seen", error);

	if (!r)
		history->comparing = true;
	return r;
}

int kev_history_compare_end(struct kev_history *history, struct kev_error *error)
{
	int r = kev_database_run(history->database,
		"DELETE FROM revisions WHERE (namespace, name) NOT IN "
		"(SELECT namespace, name FROM revisions WHERE id IN (SELECT id FROM temp.seen)); "
		"DELETE FROM temp.seen",
		error);

	if (!r)
		r = count_past(history, &history->counts, error);
	history->comparing = false;
	return r;
}

/* ---- purging ---- */

/* The revision that was superseded first. */
struct past {
	int64_t id; /* 0: there is none */
	int64_t superseded;
	uint64_t size;
};

static int find_past(struct kev_history *history, struct past *out, struct kev_error *error)
{
	struct kev_statement *statement = history->statements[PAST];
	int r = kev_statement_step(statement, error);

	*out = (struct past){0};
	if (r == 1)
		*out = (struct past){kev_statement_int(statement, 0), kev_statement_int(statement, 1),
			(uint64_t)kev_statement_int(statement, 2)};
	kev_statement_rest(statement);
	return r < 0 ? r : 0;
}

static bool is_over(const struct kev_history_counts *counts, const struct kev_retain *limits)
{
	return (limits->count && counts->superseded > limits->count) ||
	       (limits->bytes && counts->superseded_bytes > limits->bytes);
}

int kev_history_purge(struct kev_history *history, const struct kev_retain *limits, int64_t now, unsigned max,
	int64_t *wait, struct kev_error *error)
{
	for (;;) {
		struct past past;
		int r = find_past(history, &past, error);
		/* By a clock that was ahead, it has yet to come. */
		int64_t age = now > past.superseded ? now - past.superseded : 0;
		int64_t left = limits->age ? limits->age - age : INT64_MAX;

		if (r)
			return r;
		if (!past.id || (left > 0 && !is_over(&history->counts, limits))) {
			*wait = past.id ? left : INT64_MAX;
			return 0;
		}
		if (max-- == 0) {
			*wait = 0;
			return 0;
		}
		r = run_on_id(history, PURGE, past.id, error);
		if (r)
			return r;
		history->counts.superseded--;
		history->counts.superseded_bytes -= past.size;
	}
}

int kev_history_trim(struct kev_history *history, struct kev_error *error)
{
	return kev_database_trim(history->database, error);
}

/* ---- what else is kept ---- */

int kev_history_set_complete(struct kev_history *history, struct kev_error *error)
{
	return set_meta(history, "complete", KEV_STR("1"), error);
}

int kev_history_save_access(
	struct kev_history *history, bool restricted, struct kev_str names, struct kev_error *error)
{
	int r = set_meta(history, "restricted", restricted ? KEV_STR("1") : KEV_STR(""), error);

	return r ? r : set_meta(history, "permitted", names, error);
}

int kev_history_load_access(
	struct kev_history *history, bool *restricted, struct kev_buf *names, struct kev_error *error)
{
	bool found;
	int r = get_meta(history, "restricted", names, error);

	if (r)
		return r;
	found = names->len > 0;
	r = get_meta(history, "permitted", names, error);
	if (!r)
		*restricted = found;
	return r;
}

struct saving {
	struct kev_history *history;
	struct kev_error *error;
};

static int save_kind(void *context, struct kev_str group, struct kev_str kind, struct kev_str plural)
{
	const struct saving *saving = context;
	struct kev_statement *statement = saving->history->statements[ADD_KIND];

	kev_statement_bind_str(statement, 1, group);
	kev_statement_bind_str(statement, 2, kind);
	kev_statement_bind_str(statement, 3, plural);
	return finish(saving->history, ADD_KIND, saving->error);
}

int kev_history_save_kinds(
	struct kev_history *history, const struct kev_kinds *kinds, struct kev_error *error)
{
	struct saving saving = {history, error};
	int r = finish(history, CLEAR_KINDS, error);

	return r ? r : kev_kinds_walk(kinds, save_kind, &saving);
}
