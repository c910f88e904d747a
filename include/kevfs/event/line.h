#ifndef KEVFS_EVENT_LINE_H
#define KEVFS_EVENT_LINE_H

#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/fields.h"

/**
 * An Event as one line of text, for events.log:
 *
 *   2026-11-27T09:10:27.123Z default/pod/web-1 Warning BackOff x12 kubelet/node-3 Back-off restarting …
 *
 * when it was last seen (UTC, milliseconds), namespace/kind/object as kubectl names it, type, reason, how
 * often, source (component, or component/host), message: seven fields, each behind one space, so that the
 * message, the last, may hold spaces itself.
 *
 * Nothing in it moves a cursor, begins a line or a field, or reads like an escape: of foreign text, newline,
 * tab and carriage return become \n, \t, \r, other control characters, bidirectional controls and invalid
 * UTF-8 \xNN for each byte, and a backslash \\. A space within one of the first six fields is \x20; an empty
 * field is "-", and a field that is "-" itself, \x2d. A slash stays as it is (a component may be called
 * k8s.io/name): which of them are ours, only the JSON says.
 */

/** Bytes of a field, or of the message, before they are escaped; what is longer is cut and ends in "...". */
#define KEV_LINE_FIELD_MAX 1024U
#define KEV_LINE_MESSAGE_MAX 16384U

/** A line is never longer: four bytes for each. */
#define KEV_LINE_MAX 131072U

/** What the first fields of a line say. */
struct kev_line {
	int64_t time; /**< ns since the epoch; 0: unknown */
	struct kev_str namespace_, kind, object, type, reason;
	uint64_t count;
	struct kev_str component, host, message;
};

/** Append a line, and its newline. @return 0 or the buffer's error */
int kev_line_append(struct kev_buf *out, const struct kev_line *line);

/**
 * Append the Event's line, and its newline.
 * @param time  when it was last seen, ns
 * @return 0 or the buffer's error (-ENOMEM)
 */
int kev_line_append_event(
	struct kev_buf *out, const struct kev_json *json, const struct kev_fields *fields, int64_t time);

#endif
