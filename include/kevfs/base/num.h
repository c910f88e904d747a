#ifndef KEVFS_BASE_NUM_H
#define KEVFS_BASE_NUM_H

#include <stdbool.h>
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

/** A number of more digits is none for kev_num_parse_canonical(). */
#define KEV_NUM_CANONICAL_DIGITS 18U

/** Parse an unsigned decimal that is printed as it stands there: without leading zeros, and of no more than
 * KEV_NUM_CANONICAL_DIGITS. @param out  untouched on error. @return whether it is one */
bool kev_num_parse_canonical(struct kev_str s, uint64_t *out) KEV_MUST_USE;

/** The same for lower-case hexadecimal digits without a prefix. */
int kev_num_parse_hex(struct kev_str s, uint64_t max, uint64_t *out) KEV_MUST_USE;

/** The same for octal digits (file modes). */
int kev_num_parse_octal(struct kev_str s, uint64_t max, uint64_t *out) KEV_MUST_USE;

/**
 * Parse an unsigned decimal with or without a point and digits behind it: "10", "0.5"; at least one digit on
 * each side.
 * @param places  digits that may stand behind the point, at most 18
 * @param max     the largest value accepted, in units of the last place, like out
 * @param out     "0.5" with three places is 500; untouched on error
 * @return 0, -EINVAL (syntax) or -ERANGE (over max)
 */
int kev_num_parse_decimal(struct kev_str s, unsigned places, uint64_t max, uint64_t *out) KEV_MUST_USE;

#endif
