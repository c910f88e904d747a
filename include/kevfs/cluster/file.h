#ifndef KEVFS_CLUSTER_FILE_H
#define KEVFS_CLUSTER_FILE_H

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/** What kinds of files are read. */
enum kev_file_kind {
	KEV_FILE_ANY,     /**< a pipe too (-o kubeconfig=/dev/fd/63): reading may wait for its writer */
	KEV_FILE_REGULAR, /**< nothing that could make the reader wait */
};

/**
 * Read a whole file.
 * @param out  initialised; its content is wiped and replaced, and its cap is the largest file that is read.
 * Untouched on error. Wipe it where the file may hold a secret.
 * @return 0, -EFBIG (over the cap), -EISDIR, -EOPNOTSUPP (not a regular file), -ENOMEM, or what open(2) or
 * read(2) said
 */
int kev_file_read(const char *path, enum kev_file_kind kind, struct kev_buf *out) KEV_MUST_USE;

/**
 * Join a path to the absolute directory that it starts from. As client-go joins them, by the names alone:
 * "a/../b" is "b", even where a is a symlink.
 * @return 0, -ENAMETOOLONG or -ENOMEM
 */
int kev_file_join(const char *directory, struct kev_str path, char **out /* new */) KEV_MUST_USE;

/** The absolute directory in which a path's last name stands. @return 0, -ENAMETOOLONG, -ENOMEM or what
 * getcwd(3) said */
int kev_file_directory(const char *path, char **out /* new */) KEV_MUST_USE;

/** s without the white space (ASCII) around it, as a token or a name stands in a file. */
struct kev_str kev_file_trim(struct kev_str s);

/**
 * A path for a message. One that is longer than paths are is not shown: it may be the key or the token
 * itself, put where its file's path belongs.
 */
const char *kev_file_shown(const char *path);

#endif
