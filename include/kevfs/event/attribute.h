#ifndef KEVFS_EVENT_ATTRIBUTE_H
#define KEVFS_EVENT_ATTRIBUTE_H

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"
#include "kevfs/event/event.h"

/**
 * What an event's file says in extended attributes, so that nobody needs a JSON parser for it:
 *
 *   type, reason, message, source (the component), host, uid, resource_version   the API's strings, decoded
 *   object                   what it is about, as kubectl names it: pod/web-1
 *   count                    occurrences, in decimal
 *   first_seen, last_seen    RFC 3339, UTC, nine digits of fraction, so that they sort as text
 *   gone                     likewise: since when the server no longer has the event, which is retained
 *
 * An attribute that the event has no value for is not there. Values are not NUL-terminated, and any byte can
 * stand in them.
 */

/** A value is at most this long: XATTR_SIZE_MAX of Linux. What is longer is cut between two characters: to
 * fail would make a backup fail that copies attributes, and the file has it whole. */
#define KEV_ATTRIBUTE_SIZE_MAX 65536U

/** What stands before each name, for who uses it. */
#define KEV_ATTRIBUTE_PREFIX "user.kevfs."

/**
 * Append the value of an attribute.
 * @param name  without the prefix
 * @return 0; -ENODATA (no such attribute, or this event has none); -EINVAL or -E2BIG (one
 * that was restored, whose text is no JSON); -ENOMEM, or the buffer's error
 */
int kev_attribute_append(
	const struct kev_event *event, struct kev_str name, struct kev_buf *out) KEV_MUST_USE;

/** Append the names of the attributes that an event has, each with the prefix, and a NUL behind it. @return
 * likewise, but -ENODATA */
int kev_attribute_list(const struct kev_event *event, struct kev_buf *out) KEV_MUST_USE;

#endif
