#ifndef KEVFS_CLUSTER_HEARD_H
#define KEVFS_CLUSTER_HEARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** So many connections are told apart; of more, those that were heard of last. */
#define KEV_HEARD_MAX 64

/**
 * What was heard of each connection: when something came last on any of its requests. Who is silent on a
 * connection that others talk on is silent because there is nothing to say.
 *
 * A connection is known by its local port, as libcurl gives no other name for one that is in use (from 8.2 on
 * it does), and by when it was made, since a port may be used again.
 */
struct kev_heard {
	struct kev_heard_connection {
		long port;
		uint64_t number;     /**< counts up: what was made later has a larger one; 0: no connection */
		int64_t since, last; /**< monotonic ns: of its first answer, of the last byte */
	} connections[KEV_HEARD_MAX];
	uint64_t newest; /**< the number of the newest; 0: there was none yet */
};

void kev_heard_init(struct kev_heard *heard);

/**
 * An answer begins.
 * @param port     the local one of its connection; 0: not known
 * @param made     the request did not find its connection, but had to make it
 * @param started  when the request was sent
 * @return the connection's number; 0 where that cannot be known
 */
uint64_t kev_heard_begin(struct kev_heard *heard, long port, bool made, int64_t started, int64_t now);

/** Something more came on it. */
void kev_heard_more(struct kev_heard *heard, uint64_t number, int64_t now);

/** When something came last on it; INT64_MIN where nothing is known of it. */
int64_t kev_heard_last(const struct kev_heard *heard, uint64_t number);

/** When something came last on any; INT64_MIN where there was none. */
int64_t kev_heard_last_of_all(const struct kev_heard *heard);

#endif
