#ifndef KEVFS_STORE_DATABASE_H
#define KEVFS_STORE_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"

/**
 * A file of tables: the only module that knows SQLite. Used by one thread at a time.
 *
 * What is written is on the disk, also where the power fails, once a COMMIT has succeeded; what is not
 * committed is as if it had never been.
 *
 * Errors: -EBUSY (another process uses it), -EINVAL (not of this kind, or newer), -EBADMSG (damaged), -ENOSPC
 * (disk full), -EROFS (may not be written), -EIO, -ENOMEM; the error names the file.
 */
struct kev_database;

/** What a file is to hold. */
struct kev_database_kind {
	int32_t id;      /**< of the application, as file(1) knows it */
	int32_t version; /**< of the schema, from 1 on */
	/** CREATE statements, as the file must hold them, word by word: whoever hands us another schema could
	 * make a table's name mean anything. */
	const char *const *schema;
	size_t schema_count;
};

/**
 * Open NAME in a directory. Both are made where they are missing, and what the directory lies in, so that
 * only their owner may read them. Others may read along, but only one process at a time opens it like this.
 * @param patience_ms  how long to wait for another process that is about to end
 * @return 0 and a new database, or an error
 */
int kev_database_open(const char *directory, const char *name, const struct kev_database_kind *kind,
	int patience_ms, struct kev_database **out, struct kev_error *error) KEV_MUST_USE;
void kev_database_close(struct kev_database *database);

/**
 * Open what kev_database_open() would, for reading, while no other process has it open, and without writing
 * anything.
 * @param out  a new database, or NULL where there is none yet, or none that can be read without writing;
 * untouched on error
 * @return 0 or the error of kev_database_open()
 */
int kev_database_look(const char *directory, const char *name, const struct kev_database_kind *kind,
	struct kev_database **out, struct kev_error *error) KEV_MUST_USE;

/** For messages; borrowed. */
const char *kev_database_path(const struct kev_database *database);

/** Run statements that give nothing. */
int kev_database_run(struct kev_database *database, const char *sql, struct kev_error *error) KEV_MUST_USE;

/** The one number that a query gives. @param out  untouched on error */
int kev_database_query(
	struct kev_database *database, const char *sql, int64_t *out, struct kev_error *error) KEV_MUST_USE;

/** Is the file still where it was opened? What is written to one that was deleted, or moved away, nobody
 * finds again. @return 0 or -EIO */
int kev_database_check_place(struct kev_database *database, struct kev_error *error) KEV_MUST_USE;

/** Is a transaction under way? SQLite ends it by itself after some errors. */
bool kev_database_in_transaction(const struct kev_database *database);

/** Of the row that was inserted last. */
int64_t kev_database_last_id(const struct kev_database *database);

/** Give space back to the filesystem that is free for long. Not in a transaction. */
int kev_database_trim(struct kev_database *database, struct kev_error *error) KEV_MUST_USE;

/** A prepared statement. It lives at most as long as its database. */
struct kev_statement;

/** @param out  new; untouched on error */
int kev_statement_create(struct kev_database *database, const char *sql, struct kev_statement **out,
	struct kev_error *error) KEV_MUST_USE;
void kev_statement_destroy(struct kev_statement *statement);
static inline void kev_statement_destroyp(struct kev_statement **statement)
{
	kev_statement_destroy(*statement);
}

/** Give a parameter, from 1 on, its value. A string is borrowed until the statement is at rest, and stored as
 * bytes. That it cannot be taken shows when the statement runs. */
void kev_statement_bind_str(struct kev_statement *statement, int index, struct kev_str value);
void kev_statement_bind_int(struct kev_statement *statement, int index, int64_t value);

/** @return 1: there is a row; 0: there is none any more; or an error */
int kev_statement_step(struct kev_statement *statement, struct kev_error *error) KEV_MUST_USE;

/** A column of the row, from 0 on, whatever its type is: the file is foreign. A string is borrowed until the
 * next step. */
struct kev_str kev_statement_str(struct kev_statement *statement, int index);
int64_t kev_statement_int(struct kev_statement *statement, int index);

/** Forget the rows and the parameters; it may be used anew. */
void kev_statement_rest(struct kev_statement *statement);

/** Step one that gives no rows, then let it rest. @return 0 or an error */
int kev_statement_run(struct kev_statement *statement, struct kev_error *error) KEV_MUST_USE;

#endif
