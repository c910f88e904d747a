#ifndef KEVFS_CLUSTER_HTTP_H
#define KEVFS_CLUSTER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/clock.h"
#include "kevfs/base/error.h"
#include "kevfs/base/str.h"
#include "kevfs/cluster/badge.h"
#include "kevfs/cluster/config.h"
#include "kevfs/cluster/peer.h"

/**
 * HTTP to one API server, many requests at once on as few connections as it allows (one, with HTTP/2). One
 * thread uses it; only kev_http_wakeup() may be called from others. No callback may destroy the kev_http;
 * starting and cancelling requests from callbacks is fine.
 *
 * A proxy is chosen as kubectl does (proxy.h); a redirect is an answer like any other; cookies, .netrc and
 * curl's own configuration do not count.
 */
struct kev_http;
struct kev_http_transfer;

/** What a response began with. */
struct kev_http_response {
	int status;                  /**< 200, 410, … */
	int retry_after;             /**< seconds; -1 where there is no (valid) Retry-After; at most 3600 */
	struct kev_str content_type; /**< without parameters, lower case; borrowed */
	const char *etag;            /**< with its quotes; borrowed; NULL where there is none */
	int64_t date;        /**< the server's clock: seconds since the epoch; 0 where it is not told */
	bool gzip;           /**< it came compressed */
	uint64_t connection; /**< what it comes on: a number that counts up; 0 where it is not known */
};

/** How a transfer ended. */
struct kev_http_result {
	/**
	 * 0: a whole response arrived, whatever its status (of a gzip body libcurl does not see that its end
	 * is missing: the text inside tells). Else -ECONNREFUSED, -ECONNRESET (broken off, also
	 * mid-body), -ETIMEDOUT (idle), -EHOSTUNREACH (name or route), -EPROTO (TLS or HTTP; the error says
	 * what), -EKEYREJECTED (certificate not trusted), -ECANCELED (a callback said stop), -ENOMEM, or what
	 * kev_credential_header() said
	 */
	int error;
	struct kev_http_response response; /**< status 0 if none arrived */
	const struct kev_error
		*reason; /**< why, for a person: names the server, never a secret; set where error is not 0 */
};

struct kev_http_request {
	const char *path;   /**< "/api/v1/events?limit=5000"; goes behind the server's own prefix; copied */
	const char *accept; /**< the Accept header's value; copied */
	const char *if_none_match; /**< an ETag, or NULL; copied */
	const char *post;          /**< JSON to send, as POST; copied; NULL: GET */
	bool gzip; /**< send Accept-Encoding: gzip, decode the answer; whoever takes it caps it. Never on a
		      watch. */
	/** Rather without a credential than late: where that waits for a plugin, or cannot be had, the
	 * request goes without. */
	bool prompt;
	int idle_timeout;  /**< seconds without a byte that end the transfer with -ETIMEDOUT; 0: none. The
			      next request then makes a new connection. */
	int total_timeout; /**< seconds, the same; 0: none */
	/** The response's head is there (not for 1xx). Non-zero ends the transfer. May be NULL. */
	int (*head)(void *context, const struct kev_http_response *response);
	/** Body bytes, in pieces as they come, never empty. Non-zero ends the transfer. */
	int (*body)(void *context, struct kev_str piece);
	/** The end, exactly once, but not after kev_http_cancel(). The transfer is gone when it returns. */
	void (*done)(void *context, const struct kev_http_result *result);
	void *context; /**< borrowed until done or cancel */
	/** Filled in with what the connection is like, as far as there is one: complete when done is called.
	 * Borrowed until done or cancel; NULL: nobody asks. */
	struct kev_peer *peer;
};

/**
 * @param user_agent  "kevfs/1.0"
 * @return 0 and a new handle; -EINVAL (a certificate or key that cannot be used: error says which), -ENOMEM.
 * All borrowed, must outlive it.
 */
int kev_http_create(const struct kev_cluster_config *config, const struct kev_clock *clock,
	const char *user_agent, struct kev_http **out, struct kev_error *error) KEV_MUST_USE;
void kev_http_destroy(struct kev_http *http);

/** Start a request. done is called later, never from inside. @return 0 (*out, may be NULL, is valid until
 * done) or -ENOMEM */
int kev_http_start(struct kev_http *http, const struct kev_http_request *request,
	struct kev_http_transfer **out) KEV_MUST_USE;

/** End a transfer now; its callbacks are not called any more. NULL and one whose done is being called are
 * no-ops. */
void kev_http_cancel(struct kev_http *http, struct kev_http_transfer *transfer);

/** A request that was not answered for so many seconds tells that its connection is dead, and with it what
 * else is silent there. One that had less patience tells only that the server is slow. */
#define KEV_HTTP_DEAD_AFTER 15

/** The same for one that the server does not answer: its connection is given up with it, if it has waited for
 * KEV_HTTP_DEAD_AFTER. */
void kev_http_give_up(struct kev_http *http, struct kev_http_transfer *transfer);

/** Wait at most timeout_ms for something to do and do it: callbacks run inside. @return 0 or -errno of a
 * failure that is not one transfer's */
int kev_http_run(struct kev_http *http, int timeout_ms) KEV_MUST_USE;

/** Make a kev_http_run() that waits in another thread return. Any thread. */
void kev_http_wakeup(struct kev_http *http);

/** The number of the newest connection; 0: there was none yet. Who has a higher one may be another server. */
uint64_t kev_http_newest(const struct kev_http *http);

/** When something came last on a transfer's connection, be it for another one; where that carries no others
 * (HTTP/1.1), on any: monotonic ns. Before its answer begins, when it was started. */
int64_t kev_http_heard(const struct kev_http *http, const struct kev_http_transfer *transfer);

/** The oldest of these, of all that are under way and do not wait for a credential; INT64_MAX where none is.
 */
int64_t kev_http_quiet_since(const struct kev_http *http);

/** The server answered 401 to the request whose done is being called: use a fresh credential from now on.
 * @return true if there is one to be had; else, if something is known of that, it is put behind what why says
 */
bool kev_http_refresh_credential(struct kev_http *http, struct kev_error *why);

/**
 * Does it wait for a credential plugin, and not for the server? Its timeouts begin when it does no more.
 * @param transfer  NULL: any of them
 */
bool kev_http_is_waiting(const struct kev_http *http, const struct kev_http_transfer *transfer);

/** What we show to the server now. @return 0, or as kev_credential_header(), with the error set */
int kev_http_badge(struct kev_http *http, struct kev_badge *out, struct kev_error *error) KEV_MUST_USE;

/** Append s percent-encoded for a query's value. @return 0 or the buffer's error */
int kev_http_append_query(struct kev_buf *out, struct kev_str s);

/** Append which library that is, and whose TLS: "libcurl 8.14.1 (OpenSSL/3.5.1)". @return 0 or the buffer's
 * error */
int kev_http_append_version(struct kev_buf *out);

#endif
