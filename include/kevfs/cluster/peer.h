#ifndef KEVFS_CLUSTER_PEER_H
#define KEVFS_CLUSTER_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/cluster/certificate.h"

/** Who is at the other end of a request, and how far the request came: for whoever asks what is wrong. */
struct kev_peer {
	/** When each step was over, ns from the request's start; 0: not known (the connection had been there
	 * before, is without TLS, or TLS has failed). */
	int64_t resolved, connected, secured;
	bool reached;     /**< there was a connection, whatever became of TLS */
	char address[64]; /**< the server's, or the proxy's; "": not known */
	int port;
	int socket;       /**< libcurl's, while it connects */
	int proxy_status; /**< what a proxy answered to CONNECT; 0: nothing */
	unsigned made;    /**< connections that were made for it */
	bool http2;

	char tls[16]; /**< "TLSv1.3"; "" for none */
	/** The server's own. */
	struct kev_certificate certificate;
};

/** @param ssl  OpenSSL's SSL: a connection whose handshake is over */
void kev_peer_read_tls(struct kev_peer *peer, void *ssl);

#endif
