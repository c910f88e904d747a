#ifndef KEVFS_TREE_PATH_H
#define KEVFS_TREE_PATH_H

#include <stdbool.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/**
 * API strings → file names, one to one: two different strings never give the same name in the same place.
 *
 * What cannot stand in a name becomes %XX (upper-case hex, a byte each): '/', '%', NUL, C0, DEL, C1 (both
 * bytes of its UTF-8), every byte that is no valid UTF-8, and the whole of "." and "..". The empty string is
 * a lone "%". A result over 255 bytes is cut (between characters, never inside a %XX) and ends in "%~" and 32
 * hex digits (kev_hash_hex128 of the whole escaped name): '%' is followed by '~' nowhere else.
 */

/** A file name has at most this many bytes (Linux NAME_MAX). */
#define KEV_PATH_NAME_MAX 255

/** An escaped name may be this long before it is cut; -EMSGSIZE beyond. No text that the API sends (17 MiB)
 * holds a string for more. */
#define KEV_PATH_ESCAPED_MAX (64U << 20)

/** Is the file name of an event the name itself, byte for byte? True of nearly all. */
bool kev_path_is_plain(struct kev_str name);

/** Append the file name of an event: its real name, escaped. @return 0 or the buffer's error */
int kev_path_append_event(struct kev_buf *out, struct kev_str name);

/**
 * Append the directory name of a namespace. Names that are ours at the top (".kevfs" and what begins with it,
 * "events.*") have their first byte escaped; no valid namespace has such a name.
 */
int kev_path_append_namespace(struct kev_buf *out, struct kev_str name);

/**
 * Append the directory name of an object: its name, each ':' escaped; or, where object_namespace is neither
 * empty nor event_namespace, "<ns>:<name>", each ':' in ns escaped. So the first ':' that stands as itself
 * ends a namespace, and an object that is really called "ns:name" never meets "name" in "ns". (To escape only
 * the first ':' of a name is not enough: "a:b:c" would meet "c" in "a:b".)
 */
int kev_path_append_object(struct kev_buf *out, struct kev_str event_namespace,
	struct kev_str object_namespace, struct kev_str name);

/**
 * Append the directory name of a known resource: the plural, bare for a bare group (kev_kinds_group_is_bare),
 * else "plural.group". Names that are ours in a namespace ("events", "events.*", "by-*") have their first
 * byte escaped: an Event about an Event stands in "%65vents".
 */
int kev_path_append_resource(struct kev_buf *out, struct kev_str group, struct kev_str plural);

/**
 * Append the directory name of a kind that discovery does not know: verbatim, each '.' escaped as well, and
 * ".group" behind it where there is a group; an empty kind before a group is a "%" too. A first byte that
 * would make it one of our names is escaped.
 * @param taken  the name is also a known resource's: one byte more is escaped, the first or (where the first
 * is escaped already because the name is ours) the second
 */
int kev_path_append_kind(struct kev_buf *out, struct kev_str group, struct kev_str kind, bool taken);

#endif
