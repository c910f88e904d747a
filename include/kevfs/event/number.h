#ifndef KEVFS_EVENT_NUMBER_H
#define KEVFS_EVENT_NUMBER_H

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/**
 * Append a JSON number as kubectl prints it: an int64 in decimal ("-0" is 0), anything else as the double
 * that is nearest to it, in the fewest digits that give that double back, the closest of them; with an
 * exponent below 1e-6 and from 1e21 on (1e-7, 1e+21). In every locale.
 * @param raw  a number of RFC 8259's grammar
 * @return 0, -EINVAL (beyond every double; kubectl refuses it as well), or the buffer's error
 * Source: sigs.k8s.io/json (integers that fit stay integers), encoding/json floatEncoder, strconv.
 */
int kev_number_append(struct kev_buf *out, struct kev_str raw) KEV_MUST_USE;

#endif
