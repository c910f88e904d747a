#ifndef KEVFS_BASE_NUM_H
#define KEVFS_BASE_NUM_H

#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/**
 * Parse an unsigned decimal: digits only (no sign, no space), at least one, the whole of s.
 * @param max  the largest value accepted
 * @param out  untouched on error
 * @return 0, -EINVAL (syntax) or -ERANGE (over max)
 */
int kev_num_parse_u64(struct kev_str s, uint64_t max, uint64_t *out) KEV_MUST_USE;

/** The same for lower-case hexadecimal digits without a prefix. */
int kev_num_parse_hex(struct kev_str s, uint64_t max, uint64_t *out) KEV_MUST_USE;

/** The same for octal digits (file modes). */
int kev_num_parse_octal(struct kev_str s, uint64_t max, uint64_t *out) KEV_MUST_USE;

#endif
