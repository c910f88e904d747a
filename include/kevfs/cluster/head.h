#ifndef KEVFS_CLUSTER_HEAD_H
#define KEVFS_CLUSTER_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/cluster/http.h"

/** What a response's head may hold in all; the API server's are under 1 KiB. */
#define KEV_HEAD_MAX (64U << 10)

/** A longer wait is as good as this one. */
#define KEV_HEAD_RETRY_AFTER_MAX 3600

/** The head of a response, which comes line by line. */
struct kev_head {
	int status;      /**< 0: none has come */
	int retry_after; /**< -1: none */
	int64_t date;    /**< seconds since the epoch; 0: none */
	char content_type[128];
	char etag[256];
	char encoding[32]; /**< Content-Encoding, lower case; "" for none */
	bool complete;     /**< its last line has come; what follows are trailers */
	size_t bytes;
};

void kev_head_init(struct kev_head *head);

/**
 * Take the next line. Informational heads (1xx) are passed over; a value that is longer than its field counts
 * as not given.
 * @param line  with or without its line break
 * @param now   seconds since the epoch, for a Retry-After that is a date
 * @return 0, -EPROTO (no status line) or -EMSGSIZE (over KEV_HEAD_MAX)
 */
int kev_head_line(struct kev_head *head, struct kev_str line, int64_t now) KEV_MUST_USE;

/** What it says, for a callback; borrowed from the head. */
struct kev_http_response kev_head_response(const struct kev_head *head);

#endif
