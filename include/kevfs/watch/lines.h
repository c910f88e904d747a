#ifndef KEVFS_WATCH_LINES_H
#define KEVFS_WATCH_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/str.h"

/**
 * Chunks of a watch's body → whole lines. A chunk ends anywhere. A line that is longer than the cap is left
 * out and counted; the next one is whole again. What stands behind the last newline when the body ends was
 * cut off and is never given.
 */
struct kev_lines;

/** client-go's cap on one watch object, and room for the envelope around it. */
#define KEV_LINES_MAX ((16U << 20) + 256)

/** @param max  bytes of a line, without its newline. @return new, or NULL on ENOMEM */
struct kev_lines *kev_lines_create(size_t max);
void kev_lines_destroy(struct kev_lines *lines);

/** A whole line, without its newline, borrowed. Non-zero ends the chunk. */
typedef int kev_lines_fn(void *context, struct kev_str line);

/**
 * Take the next chunk. Blank lines are not given.
 * @return 0; a callback's value (the rest of the chunk is lost: reset before another is fed); -ENOMEM
 */
int kev_lines_feed(struct kev_lines *lines, struct kev_str chunk, kev_lines_fn *line, void *context);

/** Forget what is left of a body, for the next one. */
void kev_lines_reset(struct kev_lines *lines);

/** Lines left out since the beginning. */
uint64_t kev_lines_skipped(const struct kev_lines *lines);

#endif
