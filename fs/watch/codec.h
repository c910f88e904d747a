#ifndef KEVFS_FS_WATCH_CODEC_H
#define KEVFS_FS_WATCH_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "kevfs/base/defs.h"
#include "kevfs/watch/unpack.h"

/* The four libraries behind one face: codec.c, or codec_none.c where kevfs is built without them. */
struct codec;

/* What a step has to do with; it moves the beginnings on. */
struct codec_io {
	char *in; /* not const: bzlib's is not */
	size_t in_len;
	bool last; /* nothing comes behind it */
	char *out;
	size_t out_len;
};

/* @return 0 and new, -EOPNOTSUPP or -ENOMEM */
int codec_create(enum kev_unpack_form form, struct codec **out) KEV_MUST_USE;
void codec_destroy(struct codec *codec);

/* Undo what can be undone. @return 0; 1 where a stream ends, so that nothing need follow; -EBADMSG (*why says
 * what is wrong; a constant) or -ENOMEM */
int codec_step(struct codec *codec, struct codec_io *io, const char **why) KEV_MUST_USE;

#endif
