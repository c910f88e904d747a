#ifndef KEVFS_CLUSTER_CONNECTION_H
#define KEVFS_CLUSTER_CONNECTION_H

#include <stdbool.h>

#include <curl/curl.h>

#include "kevfs/base/defs.h"
#include "kevfs/cluster/config.h"
#include "kevfs/cluster/failure.h"
#include "kevfs/cluster/identity.h"
#include "kevfs/cluster/origin.h"
#include "kevfs/cluster/peer.h"

/**
 * How a request of libcurl's reaches the API server, and what it says when that fails: TLS, proxy, keepalive,
 * and what must not lead it elsewhere.
 */
struct kev_connection {
	const struct kev_cluster_config *config; /**< borrowed, like all until the request is over */
	const struct kev_identity *identity;     /**< copied */
	const struct kev_origin *origin;
	const char *proxy; /**< its URL; NULL: none */
	struct curl_slist *connect_to;
	bool fresh;            /**< on a new connection */
	struct kev_peer *peer; /**< told who is there; NULL: nobody asks */
};

/** Set the options. @return false on ENOMEM */
bool kev_connection_configure(CURL *easy, const struct kev_connection *connection) KEV_MUST_USE;

/** The local port of the connection that an answer comes on; 0: not known. @param made  it was made for it */
long kev_connection_port(CURL *easy, bool *made);

/** Fill in what kind of a failure code is, and what is known of it. @param failure  has its text already */
void kev_connection_classify(CURL *easy, CURLcode code, struct kev_failure *failure);

/** A request has its connection, to this address: note who is there. Called from libcurl's callback. */
void kev_connection_meet(CURL *easy, const char *address, int port, struct kev_peer *peer);

/** A request is over, or given up: note how far it came. */
void kev_connection_measure(CURL *easy, struct kev_peer *peer);

#endif
