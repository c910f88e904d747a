#ifndef KEVFS_EVENT_TIMESTAMP_H
#define KEVFS_EVENT_TIMESTAMP_H

#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"
#include "kevfs/event/json.h"

/** "2006-01-02T15:04:05.999999999Z" and a NUL. */
#define KEV_TIMESTAMP_SIZE 32

/**
 * Parse an RFC 3339 timestamp, with any number of fraction digits (those behind the ninth are dropped) and
 * any offset. There is no second 60: Kubernetes neither writes nor accepts leap seconds.
 * @param out  ns since the epoch, UTC; untouched on error
 * @return 0, -EINVAL (syntax, or a day, hour, minute, second or offset that does not exist) or -ERANGE
 * (outside 1970 to 2261: such times count as unset; the server accepts the years 0000 and 9999) Source: RFC
 * 3339 section 5.6; a Kubernetes Time has whole seconds, a MicroTime exactly six fraction digits.
 */
int kev_timestamp_parse(struct kev_str s, int64_t *out) KEV_MUST_USE;

/**
 * The same of the string at a token, which may be KEV_JSON_NONE or null: unset, as Kubernetes writes it.
 * @return 0; -EINVAL or -ERANGE where no time is set
 */
int kev_timestamp_get(const struct kev_json *json, uint32_t index, int64_t *out) KEV_MUST_USE;

/** The first of these tokens that holds a time. @return ns since the epoch; 0 where none does */
int64_t kev_timestamp_first(const struct kev_json *json, const uint32_t *indexes, size_t count);

/** A time's date and its time of day without a fraction and a zone: "2006-01-02T15:04:05". @param second
 * since the epoch, not negative, before 2262 */
#define KEV_TIMESTAMP_SECOND_LEN 19
void kev_timestamp_format_second(int64_t second, char out[KEV_TIMESTAMP_SECOND_LEN]);

/** Write ns (not negative) as RFC 3339 in UTC with nine fraction digits. */
void kev_timestamp_format(int64_t ns, char out[KEV_TIMESTAMP_SIZE]);

#endif
