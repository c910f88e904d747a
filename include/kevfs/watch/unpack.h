#ifndef KEVFS_WATCH_UNPACK_H
#define KEVFS_WATCH_UNPACK_H

#include <stddef.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"

/**
 * Compressed files, read as what is in them: gzip, xz, zstd, bzip2, also several streams one behind the other
 * as pigz, pzstd and cat make them. Memory does not grow with what comes out; a stream that demands over
 * KEV_UNPACK_MEMORY_MAX for itself is refused. Every checksum is checked.
 *
 * Why not libarchive, which knows all four: of 100 gzip files with one bit wrong it took 98 (3.6.2 does not
 * compare the CRC), it may run programs for forms that it does not know, and it brings an XML parser along.
 */
enum kev_unpack_form {
	KEV_UNPACK_NONE, /**< not compressed, as far as can be seen */
	KEV_UNPACK_GZIP,
	KEV_UNPACK_XZ,
	KEV_UNPACK_ZSTD,
	KEV_UNPACK_BZIP2,
};

/** A stream's window may be this large: that of zstd -19, xz -9, and all that they do by default. */
#define KEV_UNPACK_MEMORY_MAX (128U << 20)

/** What do bytes that begin like this look like? Whatever kevfs was built with. */
enum kev_unpack_form kev_unpack_guess(struct kev_str beginning);

struct kev_unpack;

/**
 * @param form  not NONE
 * @param fd    borrowed; it is read on from where it stands
 * @param beginning  what was read from it already; copied
 * @return 0 and new; -EOPNOTSUPP (kevfs was built without it: error says what to do) or -ENOMEM
 */
int kev_unpack_create(enum kev_unpack_form form, int fd, struct kev_str beginning, struct kev_unpack **out,
	struct kev_error *error) KEV_MUST_USE;
void kev_unpack_destroy(struct kev_unpack *unpack);

/**
 * Read the next bytes of what is in it.
 * @param room  at least 1
 * @param len   how many there were; 0 only at the end
 * @return 0; -EBADMSG (damaged, broken off, or too large a window: error says at which byte of the file);
 * -ENOMEM; what read(2) says
 */
int kev_unpack_read(
	struct kev_unpack *unpack, char *out, size_t room, size_t *len, struct kev_error *error) KEV_MUST_USE;

#endif
