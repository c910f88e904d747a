#include "kevfs/cluster/peer.h"

#include <stdio.h>

#include <openssl/ssl.h>

void kev_peer_read_tls(struct kev_peer *peer, void *ssl)
{
	const SSL *session = ssl;
	const X509 *certificate = SSL_get0_peer_certificate(session);

	snprintf(peer->tls, sizeof(peer->tls), "%s", SSL_get_version(session));
	if (certificate)
		kev_certificate_take(certificate, &peer->certificate);
}
