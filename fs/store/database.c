#include "kevfs/store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* No string, no blob and no row is longer than what an event may hold. */
#define VALUE_MAX (128 << 20)

/* The log before the database grows to this between two checkpoints, and keeps that. */
#define LOG_MAX (16 << 20)

/* How long somebody who reads along may hold it up. */
#define BUSY_MS 2000

/* Free pages are used again; a quarter of the file, and at least so many, is too much. */
#define FREE_PAGES_MIN 1024
#define FREE_PAGES_SHARE 4
#define TRIM_PAGES 4096

#define LOCK_TICK_MS 20

struct kev_database {
	char *path; /* for messages */
	int lock;   /* descriptor of the file whose lock we hold; -1 */
	sqlite3 *db;
};

struct kev_statement {
	struct kev_database *database;
	sqlite3_stmt *stmt;
};

/* ---- errors ---- */

static int to_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_TOOBIG:
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	default:
		return -EIO;
	}
}

/* What SQLite said last, as an error of ours. */
static int fail(struct kev_database *database, int code, struct kev_error *error)
{
	int r = to_errno(code), number = database->db ? sqlite3_system_errno(database->db) : 0;

	if (r == -EBADMSG)
		kev_error_set(error, "%s is damaged (%s); move it away to begin anew", database->path,
			sqlite3_errstr(code));
	else
		kev_error_set(error, "%s: %s%s%s", database->path,
			database->db ? sqlite3_errmsg(database->db) : sqlite3_errstr(code),
			number ? ": " : "", number ? strerror(number) : "");
	return r < 0 ? r : -EIO;
}

static int fail_system(const char *path, struct kev_error *error)
{
	int r = -errno;

	kev_error_set(error, "%s: %s", path, strerror(-r));
	return r;
}

/* ---- statements ---- */

int kev_statement_create(
	struct kev_database *database, const char *sql, struct kev_statement **out, struct kev_error *error)
{
	struct kev_statement *statement = calloc(1, sizeof(*statement));
	int code;

	if (!statement)
		return -ENOMEM;
	statement->database = database;
	code = sqlite3_prepare_v3(database->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->stmt, NULL);
	if (code != SQLITE_OK) {
		free(statement);
		return fail(database, code, error);
	}
	*out = statement;
	return 0;
}

void kev_statement_destroy(struct kev_statement *statement)
{
	if (!statement)
		return;
	(void)sqlite3_finalize(statement->stmt);
	free(statement);
}

void kev_statement_bind_str(struct kev_statement *statement, int index, struct kev_str value)
{
	/* An error leaves NULL there, which no column of ours takes. */
	(void)sqlite3_bind_blob64(
		statement->stmt, index, value.len ? value.data : "", value.len, SQLITE_STATIC);
}

void kev_statement_bind_int(struct kev_statement *statement, int index, int64_t value)
{
	(void)sqlite3_bind_int64(statement->stmt, index, value);
}

int kev_statement_step(struct kev_statement *statement, struct kev_error *error)
{
	int code = sqlite3_step(statement->stmt);

	if (code == SQLITE_ROW || code == SQLITE_DONE)
		return code == SQLITE_ROW;
	return fail(statement->database, code, error);
}

struct kev_str kev_statement_str(struct kev_statement *statement, int index)
{
	/* In this order: what is asked for first decides in which form the second is counted. */
	const char *data = sqlite3_column_blob(statement->stmt, index);
	int len = sqlite3_column_bytes(statement->stmt, index);

	return (struct kev_str){data, data && len > 0 ? (size_t)len : 0};
}

int64_t kev_statement_int(struct kev_statement *statement, int index)
{
	return sqlite3_column_int64(statement->stmt, index);
}

void kev_statement_rest(struct kev_statement *statement)
{
	(void)sqlite3_reset(statement->stmt);
	(void)sqlite3_clear_bindings(statement->stmt);
}

int kev_statement_run(struct kev_statement *statement, struct kev_error *error)
{
	int r = kev_statement_step(statement, error);

	kev_statement_rest(statement);
	return r > 0 ? 0 : r;
}

int kev_database_run(struct kev_database *database, const char *sql, struct kev_error *error)
{
	int code = sqlite3_exec(database->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : fail(database, code, error);
}

int kev_database_query(struct kev_database *database, const char *sql, int64_t *out, struct kev_error *error)
{
	KEV_CLEANUP(statement_destroyp) struct kev_statement *statement = NULL;
	int r = kev_statement_create(database, sql, &statement, error);

	if (!statement)
		return r;
	r = kev_statement_step(statement, error);
	if (r < 0)
		return r;
	*out = kev_statement_int(statement, 0);
	return 0;
}

int kev_database_check_place(struct kev_database *database, struct kev_error *error)
{
	int moved = 0;

	if (sqlite3_file_control(database->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK || !moved)
		return 0;
	kev_error_set(error, "%s is deleted, moved or covered", database->path);
	return -EIO;
}

bool kev_database_in_transaction(const struct kev_database *database)
{
	return !sqlite3_get_autocommit(database->db);
}

int64_t kev_database_last_id(const struct kev_database *database)
{
	return sqlite3_last_insert_rowid(database->db);
}

const char *kev_database_path(const struct kev_database *database)
{
	return database->path;
}

int kev_database_trim(struct kev_database *database, struct kev_error *error)
{
	int64_t pages = 0, unused = 0;
	char sql[64];
	int r = kev_database_query(database, "PRAGMA page_count", &pages, error);

	if (!r)
		r = kev_database_query(database, "PRAGMA freelist_count", &unused, error);
	if (r || unused < FREE_PAGES_MIN || unused < pages / FREE_PAGES_SHARE)
		return r;
	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", TRIM_PAGES);
	return kev_database_run(database, sql, error);
}

/* ---- opening ---- */

/* @return 0 or -EWOULDBLOCK and the like */
static int wait_for_lock(int fd, int patience_ms)
{
	const struct timespec tick = {0, LOCK_TICK_MS * KEV_NS_PER_MS};

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || patience_ms <= 0)
			return -errno;
		nanosleep(&tick, NULL);
		patience_ms -= LOCK_TICK_MS;
	}
	return 0;
}

/* SQLite's own exclusive lock would do, but let nobody read along. */
static int lock_directory(
	struct kev_database *database, const char *directory, int patience_ms, struct kev_error *error)
{
	char *path = NULL;
	int r = 0;

	if (asprintf(&path, "%s/lock", directory) < 0)
		return -ENOMEM;
	database->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (database->lock < 0)
		r = fail_system(path, error);
	free(path);
	if (r)
		return r;
	r = wait_for_lock(database->lock, patience_ms);
	if (r == -EWOULDBLOCK) {
		kev_error_set(error, "%s: another kevfs uses it", directory);
		return -EBUSY;
	}
	if (r)
		kev_error_set(error, "%s: cannot be locked: %s", directory, strerror(-r));
	return r;
}

/* With its name on the disk: SQLite sees to those of the files in it. */
static int make_one_directory(const char *directory, struct kev_error *error)
{
	char *path = NULL;
	int fd, r = 0;

	if (mkdir(directory, 0700) < 0)
		return errno == EEXIST ? 0 : fail_system(directory, error);
	if (asprintf(&path, "%s/..", directory) < 0)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* What cannot be read can hold a directory all the same; and some filesystems have nothing to sync.
	 */
	if (fd >= 0 && fsync(fd) < 0 && errno != EINVAL)
		r = fail_system(path, error);
	if (fd >= 0)
		close(fd);
	free(path);
	return r;
}

/* And what it lies in, as mkdir -p does it; but for its owner only. */
static int make_directory(const char *directory, struct kev_error *error)
{
	char *path = strdup(directory), *at = path;
	int r = path ? 0 : -ENOMEM;

	if (path)
		at += strspn(path, "/");
	for (; !r && (at = strchr(at, '/')); *at++ = '/') {
		*at = '\0';
		r = access(path, F_OK) == 0 ? 0 : make_one_directory(path, error);
	}
	free(path);
	return r ? r : make_one_directory(directory, error);
}

/* SQLite would make it readable for others, too. */
static int make_file(const char *path, struct kev_error *error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return fail_system(path, error);
	close(fd);
	return 0;
}

/* The file is foreign: nothing in it may do more than hold rows. @param name  its path, or a URI of it */
static int connect_to(struct kev_database *database, const char *name, int flags, struct kev_error *error)
{
	int code = sqlite3_open_v2(
		name, &database->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);

	if (code != SQLITE_OK)
		return fail(database, code, error);
	(void)sqlite3_extended_result_codes(database->db, 1);
	(void)sqlite3_busy_timeout(database->db, BUSY_MS);
	(void)sqlite3_limit(database->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	(void)sqlite3_db_config(database->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(database->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(database->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	(void)sqlite3_db_config(database->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	return kev_database_run(database, "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY", error);
}

static int make_schema(
	struct kev_database *database, const struct kev_database_kind *kind, struct kev_error *error)
{
	char numbers[128];
	/* Before there is any table. A row is about 2 KB: pages of 8 leave little unused. */
	int r = kev_database_run(database,
		"PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; BEGIN EXCLUSIVE", error);

	for (size_t i = 0; i < kind->schema_count && !r; i++)
		r = kev_database_run(database, kind->schema[i], error);
	snprintf(numbers, sizeof(numbers),
		"PRAGMA application_id = %" PRId32 "; PRAGMA user_version = %" PRId32 "; COMMIT", kind->id,
		kind->version);
	return r ? r : kev_database_run(database, numbers, error);
}

static bool is_ours(const struct kev_database_kind *kind, struct kev_str sql)
{
	for (size_t i = 0; i < kind->schema_count; i++) {
		if (kev_str_eq(sql, kev_str_c(kind->schema[i])))
			return true;
	}
	return false;
}

/* All of the schema, and nothing else. What SQLite makes by itself has no sql. */
static int check_schema(
	struct kev_database *database, const struct kev_database_kind *kind, struct kev_error *error)
{
	KEV_CLEANUP(statement_destroyp) struct kev_statement *statement = NULL;
	bool ours = true;
	size_t count = 0;
	int r = kev_statement_create(
		database, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL", &statement, error);

	while (statement && !r && (r = kev_statement_step(statement, error)) == 1) {
		ours = ours && is_ours(kind, kev_statement_str(statement, 0));
		count++;
		r = 0;
	}
	if (r)
		return r;
	if (ours && count == kind->schema_count)
		return 0;
	kev_error_set(
		error, "%s does not hold what kevfs has made; move it away to begin anew", database->path);
	return -EINVAL;
}

static int check_kind(struct kev_database *database, const struct kev_database_kind *kind, int64_t id,
	int64_t version, struct kev_error *error)
{
	if (id != kind->id) {
		kev_error_set(error, "%s is none of kevfs", database->path);
		return -EINVAL;
	}
	if (version > kind->version) {
		kev_error_set(error,
			"%s was written by a newer kevfs (format %" PRId64 "; this one knows %" PRId32 ")",
			database->path, version, kind->version);
		return -EINVAL;
	}
	return check_schema(database, kind, error);
}

/* @param empty  set to whether there is nothing in it yet; untouched on error */
static int read_schema(struct kev_database *database, const struct kev_database_kind *kind, bool *empty,
	struct kev_error *error)
{
	int64_t id = 0, version = 0, objects = 0;
	int r = kev_database_query(database, "PRAGMA application_id", &id, error);

	if (!r)
		r = kev_database_query(database, "PRAGMA user_version", &version, error);
	if (!r)
		r = kev_database_query(database, "SELECT count(*) FROM sqlite_schema", &objects, error);
	if (r)
		return r;
	/* Nothing at all: new, or broken off while it was made. */
	*empty = id == 0 && version == 0 && objects == 0;
	return *empty ? 0 : check_kind(database, kind, id, version, error);
}

static int open_schema(
	struct kev_database *database, const struct kev_database_kind *kind, struct kev_error *error)
{
	bool empty = false;
	int r = read_schema(database, kind, &empty, error);

	return r || !empty ? r : make_schema(database, kind, error);
}

/*
 * FULL: a commit is synced before anybody hears of it, so that a power failure takes nothing back either. (A
 * kill -9 takes nothing back in any case: what was written is the kernel's by then.) It costs an fsync for
 * each batch of a tenth of a second, in a thread for which nobody waits.
 */
static int set_journal(struct kev_database *database, struct kev_error *error)
{
	char sql[128];

	snprintf(sql, sizeof(sql),
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = %d",
		LOG_MAX);
	return kev_database_run(database, sql, error);
}

static int open_all(struct kev_database *database, const char *directory,
	const struct kev_database_kind *kind, int patience_ms, struct kev_error *error)
{
	int r = make_directory(directory, error);

	if (!r)
		r = lock_directory(database, directory, patience_ms, error);
	if (!r)
		r = make_file(database->path, error);
	if (!r)
		r = connect_to(database, database->path, SQLITE_OPEN_READWRITE, error);
	if (!r)
		r = open_schema(database, kind, error);
	return r ? r : set_journal(database, error);
}

/* Not open yet. @return new, or NULL */
static struct kev_database *create(const char *directory, const char *name)
{
	struct kev_database *database = calloc(1, sizeof(*database));

	if (!database)
		return NULL;
	database->lock = -1;
	if (asprintf(&database->path, "%s/%s", directory, name) >= 0)
		return database;
	free(database);
	return NULL;
}

/* ---- looking ---- */

/* A lock that is shared among those who look. */
static int share_directory(struct kev_database *database, const char *directory, struct kev_error *error)
{
	char *path = NULL;
	int r = 0;

	if (asprintf(&path, "%s/lock", directory) < 0)
		return -ENOMEM;
	database->lock = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (database->lock < 0 && errno != ENOENT)
		r = fail_system(path, error);
	free(path);
	if (r || database->lock < 0 || flock(database->lock, LOCK_SH | LOCK_NB) == 0)
		return r;
	kev_error_set(error, "%s: another kevfs uses it", directory);
	return -EBUSY;
}

/* Has a process that was killed left a log? Without it the file need not be whole, and to read it is to
 * write.
 */
static bool has_log(const struct kev_database *database)
{
	char *path = NULL;
	struct stat st;
	bool has = true;

	if (asprintf(&path, "%s-wal", database->path) < 0)
		return has;
	has = stat(path, &st) == 0 && st.st_size > 0;
	free(path);
	return has;
}

/* Nobody writes it meanwhile, so SQLite needs none of its own files beside it. */
static int look_into(struct kev_database *database, struct kev_error *error)
{
	static const char head[] = "file://", tail[] = "?immutable=1";
	char *uri = malloc(sizeof(head) + 3 * strlen(database->path) + sizeof(tail)), *at;
	int r;

	if (!uri)
		return -ENOMEM;
	at = stpcpy(uri, head);
	for (const char *c = database->path; *c; c++) {
		if (strchr("%?#", *c))
			at += sprintf(at, "%%%02X", (unsigned)(unsigned char)*c);
		else
			*at++ = *c;
	}
	memcpy(at, tail, sizeof(tail));
	r = connect_to(database, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, error);
	free(uri);
	return r;
}

/* @return 1: it is there; 0: it is not; or an error */
static int find_file(const struct kev_database *database, struct kev_error *error)
{
	int fd = open(database->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? 0 : fail_system(database->path, error);
	close(fd);
	return 1;
}

/* @param found  set to whether there is something to read; untouched on error */
static int look_at_all(struct kev_database *database, const char *directory,
	const struct kev_database_kind *kind, bool *found, struct kev_error *error)
{
	bool empty = true;
	int r = share_directory(database, directory, error);

	if (!r)
		r = find_file(database, error);
	if (r < 0)
		return r;
	*found = r == 1 && !has_log(database);
	if (!*found)
		return 0;
	r = look_into(database, error);
	if (!r)
		r = read_schema(database, kind, &empty, error);
	if (!r)
		*found = !empty;
	return r;
}

int kev_database_look(const char *directory, const char *name, const struct kev_database_kind *kind,
	struct kev_database **out, struct kev_error *error)
{
	struct kev_database *database = create(directory, name);
	bool found = false;
	int r = database ? look_at_all(database, directory, kind, &found, error) : -ENOMEM;

	if (!r)
		*out = found ? database : NULL;
	if (r || !found)
		kev_database_close(database);
	return r;
}

int kev_database_open(const char *directory, const char *name, const struct kev_database_kind *kind,
	int patience_ms, struct kev_database **out, struct kev_error *error)
{
	struct kev_database *database = create(directory, name);
	int r;

	if (!database)
		return -ENOMEM;
	r = open_all(database, directory, kind, patience_ms, error);
	if (r) {
		kev_database_close(database);
		return r;
	}
	*out = database;
	return 0;
}

void kev_database_close(struct kev_database *database)
{
	if (!database)
		return;
	/* Before the lock is let go, so that nobody opens a log that is being cleared. */
	(void)sqlite3_close(database->db);
	if (database->lock >= 0)
		close(database->lock);
	free(database->path);
	free(database);
}
