#ifndef KEVFS_CLUSTER_URL_H
#define KEVFS_CLUSTER_URL_H

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"

/**
 * Check a server's URL and bring it into one form: "http://" or "https://" in lower case, the host, the port
 * if there is one, and the path prefix without a trailing or double '/' and without dot segments.
 *
 * A server without a scheme ("host:6443") is http, as for client-go, which looks at the scheme before it
 * looks at the certificates; it must have no path then.
 * @param out  new
 * @return 0, -ENOMEM, or -EINVAL with the error set: another scheme, no host, user:password@, a query or a
 * fragment, a character that cannot stand in a URL. The text never shows a password.
 * Source: client-go rest.DefaultServerURL; RFC 3986.
 */
int kev_url_server(struct kev_str text, char **out /* new */, struct kev_error *error) KEV_MUST_USE;

/**
 * The same for a proxy: http, https or socks5 (where the proxy resolves names, as for client-go),
 * user:password@ is kept, path, query and fragment are dropped, as client-go ignores them.
 */
int kev_url_proxy(struct kev_str text, char **out /* new */, struct kev_error *error) KEV_MUST_USE;

/**
 * Append a '/'-separated path, each segment behind a '/', without empty and "." segments; ".." takes away the
 * segment before it, but none that stood in the buffer. As Go's path.Join() has it, so nothing is asked of
 * the file system. An error is sticky in the buffer.
 */
void kev_url_append_path(struct kev_buf *buf, struct kev_str path);

#endif
