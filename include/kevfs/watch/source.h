#ifndef KEVFS_WATCH_SOURCE_H
#define KEVFS_WATCH_SOURCE_H

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"
#include "kevfs/event/form.h"

/** A file in place of a cluster: its bytes, unpacked where it is compressed, and what its content says it is.
 */
struct kev_source;

/** The path that means standard input. */
#define KEV_SOURCE_STANDARD_INPUT "-"

/** What a person calls the file at this path, for errors and the log. Borrowed from it, or constant. */
const char *kev_source_name(const char *path);

/** How often it is to be read. */
enum kev_source_use {
	KEV_SOURCE_ONCE,
	/** What cannot be rewound, such as a pipe, is read to its end first, and kept as it comes: in a file
	 * without a name, in TMPDIR, else /tmp. */
	KEV_SOURCE_AGAIN,
};

/**
 * Open a file, and read its beginning. Standard input itself is left as it is, but for what was read.
 * @return 0 and a new source; -ENOENT, -EACCES, -EISDIR, -ENOSPC and the like; -EINVAL (a terminal, or
 * empty); what kev_unpack_read() returns; all with a reason; -ENOMEM
 */
int kev_source_open(const char *path, enum kev_source_use use, struct kev_source **out,
	struct kev_error *error) KEV_MUST_USE;
void kev_source_close(struct kev_source *source);
static inline void kev_source_closep(struct kev_source **source)
{
	kev_source_close(*source);
}

/** In which form its Events stand, as its beginning says. */
enum kev_form kev_source_form(const struct kev_source *source);

/** A piece of the file, borrowed. Non-zero ends the reading. */
typedef int kev_source_fn(void *context, struct kev_str chunk, struct kev_error *error);

/**
 * Read the whole file from its beginning, in pieces. Again and again, but ONCE only where it can be
 * rewound.
 * @return 0; a callback's value (for -EINVAL and -E2BIG: if the file is not damaged, which would be why);
 * -errno with a reason (-ESPIPE: it cannot be rewound; what kev_unpack_read() returns)
 */
int kev_source_read(
	struct kev_source *source, kev_source_fn *chunk, void *context, struct kev_error *error) KEV_MUST_USE;

#endif
