#include "kevfs/cluster/connection.h"

#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_S 10

/* A connection that nobody has used for so long may be as dead as the one that was just given up. */
#define IDLE_MAX_S 10

/* A peer that is gone without a word is noticed within USER_TIMEOUT, also where nothing is sent but probes.
 */
#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_INTERVAL_S 5
#define USER_TIMEOUT_MS 30000

/* Best effort: without them a dead peer is noticed later, by the timeouts of the requests. */
static int on_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
	const int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S;
	const unsigned timeout = USER_TIMEOUT_MS;

	struct kev_peer *peer = context;

	(void)purpose;
	if (peer)
		peer->socket = fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	return CURL_SOCKOPT_OK;
}

static void note_address(struct kev_peer *peer)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof(address);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;

	/* Of several addresses that were tried at once, another one may have won. */
	if (getpeername(peer->socket, (struct sockaddr *)&address, &size) < 0)
		return;
	if (address.ss_family == AF_INET &&
		inet_ntop(AF_INET, &v4->sin_addr, peer->address, sizeof(peer->address)))
		peer->port = ntohs(v4->sin_port);
	else if (address.ss_family == AF_INET6 &&
		 inet_ntop(AF_INET6, &v6->sin6_addr, peer->address, sizeof(peer->address)))
		peer->port = ntohs(v6->sin6_port);
}

/* TLS is about to begin, so there is a connection: libcurl itself tells that only when TLS is over, well. */
static CURLcode on_tls(CURL *easy, void *context, void *peer)
{
	(void)easy, (void)context;
	((struct kev_peer *)peer)->reached = true;
	note_address(peer);
	return CURLE_OK;
}

/* Options are set in a run, and one look at the end tells whether all were taken. */
#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_blob(CURL *easy, CURLoption option, const struct kev_buf *text)
{
	/* The identity can be renewed while the transfer lives. */
	struct curl_blob blob = {text->data, text->len, CURL_BLOB_COPY};

	return !text->len || curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

static bool set_tls(CURL *easy, const struct kev_connection *connection)
{
	const struct kev_identity *identity = connection->identity;
	bool ok = true;

	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* Where a certificate authority is given, it is the only one: the system's do not count. */
	if (identity->ca.len) {
		SET(CURLOPT_CAINFO, NULL);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (connection->config->insecure) {
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return ok && set_blob(easy, CURLOPT_CAINFO_BLOB, &identity->ca) &&
	       set_blob(easy, CURLOPT_SSLCERT_BLOB, &identity->certificate) &&
	       set_blob(easy, CURLOPT_SSLKEY_BLOB, &identity->key);
}

/* A proxy that speaks TLS is trusted as the server is, as by kubectl; our certificate is not shown to it. */
static bool set_proxy(CURL *easy, const struct kev_connection *connection)
{
	bool ok = true;

	SET(CURLOPT_PROXY, connection->proxy ? connection->proxy : "");
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (!connection->proxy || strncmp(connection->proxy, "https:", 6) != 0)
		return ok;
	SET(CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (connection->identity->ca.len) {
		SET(CURLOPT_PROXY_CAINFO, NULL);
		SET(CURLOPT_PROXY_CAPATH, NULL);
	}
	if (connection->config->insecure) {
		SET(CURLOPT_PROXY_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_PROXY_SSL_VERIFYHOST, 0L);
	}
	return ok && set_blob(easy, CURLOPT_PROXY_CAINFO_BLOB, &connection->identity->ca);
}

/* What could send a request elsewhere than to the server, or take something from the machine's files. */
static bool set_limits(CURL *easy, const struct kev_connection *connection)
{
	bool ok = true;

	SET(CURLOPT_PROTOCOLS_STR, connection->origin->secure ? "https" : "http");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	return ok;
}

static bool set_connection(CURL *easy, const struct kev_connection *connection)
{
	bool ok = true;

	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_PIPEWAIT, 1L);
	SET(CURLOPT_FRESH_CONNECT, connection->fresh ? 1L : 0L);
	SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	SET(CURLOPT_MAXAGE_CONN, (long)IDLE_MAX_S);
	SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
	SET(CURLOPT_SOCKOPTDATA, connection->peer);
	if (connection->peer) {
		SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
		SET(CURLOPT_SSL_CTX_DATA, connection->peer);
	}
	SET(CURLOPT_CONNECT_TO, connection->connect_to);
	SET(CURLOPT_NOSIGNAL, 1L);
	/* So that ending a request never waits for a name server. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	return ok;
}

bool kev_connection_configure(CURL *easy, const struct kev_connection *connection)
{
	return set_connection(easy, connection) && set_limits(easy, connection) &&
	       set_tls(easy, connection) && set_proxy(easy, connection);
}

long kev_connection_port(CURL *easy, bool *made)
{
	long port = 0, count = 0;

	/* What cannot be had stays 0. */
	(void)curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &port);
	(void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &count);
	*made = count > 0;
	return port;
}

/* Does curl's text about a handshake say that the connection ended in its midst, rather than what is wrong
 * with TLS? The code is the same. */
static bool is_cut_off(const char *text)
{
	return strstr(text, "SSL_ERROR_SYSCALL") || strstr(text, "Recv failure") ||
	       strstr(text, "Send failure") || strstr(text, "unexpected eof");
}

static enum kev_failure_kind kind_of(CURLcode code, const char *text)
{
	switch ((int)code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
	case CURLE_OPERATION_TIMEDOUT: /* the only timeout that is left to curl is that of connecting */
		return KEV_FAILURE_CONNECT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return KEV_FAILURE_RESOLVE;
	case CURLE_PEER_FAILED_VERIFICATION:
		return KEV_FAILURE_CERTIFICATE;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		/* With TLS 1.3 our handshake is over when the server says what it thinks of our certificate.
		 */
		return strstr(text, " alert ") ? KEV_FAILURE_TLS : KEV_FAILURE_BROKEN;
	case CURLE_SSL_CONNECT_ERROR:
		return is_cut_off(text) ? KEV_FAILURE_BROKEN : KEV_FAILURE_TLS;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return KEV_FAILURE_BROKEN;
	case CURLE_OUT_OF_MEMORY:
		return KEV_FAILURE_MEMORY;
	default:
		return KEV_FAILURE_PROTOCOL;
	}
}

void kev_connection_classify(CURL *easy, CURLcode code, struct kev_failure *failure)
{
	long os_error = 0, refused = 0;

	failure->kind = kind_of(code, failure->text);
	failure->timed_out = code == CURLE_OPERATION_TIMEDOUT;
	/* What cannot be had stays 0, for not known. */
	(void)curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &failure->verify_result);
	(void)curl_easy_getinfo(easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &failure->proxy_verify_result);
	(void)curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &refused);
	if (code == CURLE_COULDNT_CONNECT)
		(void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
	failure->os_error = (int)os_error;
	if (refused >= 300)
		failure->kind = KEV_FAILURE_PROTOCOL;
}

void kev_connection_meet(CURL *easy, const char *address, int port, struct kev_peer *peer)
{
	const struct curl_tlssessioninfo *session = NULL;

	peer->reached = true;
	snprintf(peer->address, sizeof(peer->address), "%s", address ? address : "");
	peer->port = port;
	if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) == CURLE_OK && session &&
		session->backend == CURLSSLBACKEND_OPENSSL && session->internals)
		kev_peer_read_tls(peer, session->internals);
}

static int64_t measure(CURL *easy, CURLINFO what)
{
	curl_off_t us = 0;

	(void)curl_easy_getinfo(easy, what, &us);
	return us * 1000;
}

void kev_connection_measure(CURL *easy, struct kev_peer *peer)
{
	long version = 0, refused = 0, made = 0;

	peer->resolved = measure(easy, CURLINFO_NAMELOOKUP_TIME_T);
	peer->connected = measure(easy, CURLINFO_CONNECT_TIME_T);
	peer->secured = measure(easy, CURLINFO_APPCONNECT_TIME_T);
	(void)curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
	(void)curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &refused);
	(void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &made);
	peer->http2 = version == CURL_HTTP_VERSION_2_0;
	peer->proxy_status = (int)refused;
	peer->made = (unsigned)made;
}
