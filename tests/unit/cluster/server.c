#include "server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "kevfs/base/str.h"

#define HEAD_MAX 65536
#define CONNECTIONS_MAX 256

/* A test that cannot set up its surroundings is no test. */
#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

struct connection {
	struct server *server;
	pthread_t thread;
	int fd;
	SSL *ssl;
	bool closed;
};

struct server {
	struct server_config config;
	SSL_CTX *ctx;
	int fd, port;
	pthread_t thread;
	pthread_mutex_t lock; /* protects what follows */
	struct connection *connections[CONNECTIONS_MAX];
	int count;
};

/* ---- certificates ---- */

static char *to_pem(X509 *certificate, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *copy;
	long len;

	CHECK(bio);
	CHECK(certificate ? PEM_write_bio_X509(bio, certificate)
			  : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
	len = BIO_get_mem_data(bio, &data);
	copy = kev_str_dup((struct kev_str){data, (size_t)len});
	CHECK(copy);
	BIO_free(bio);
	return copy;
}

static X509 *read_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	CHECK(certificate);
	BIO_free(bio);
	return certificate;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	CHECK(key);
	BIO_free(bio);
	return key;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	CHECK(extension && X509_add_ext(certificate, extension, -1));
	X509_EXTENSION_free(extension);
}

void certificate_make(struct certificate *out, const struct certificate *issuer, const char *names, int days)
{
	static atomic_int serial;
	EVP_PKEY *key = EVP_EC_gen("P-256"), *signer = issuer ? read_key(issuer->key) : key;
	X509 *certificate = X509_new(), *by = issuer ? read_certificate(issuer->certificate) : certificate;

	CHECK(key && certificate);
	snprintf(out->name, sizeof(out->name), "test %d", ++serial);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -86400L * 100);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * days);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
		(const unsigned char *)out->name, -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(by));
	X509_set_pubkey(certificate, key);
	if (!issuer)
		add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
	if (names)
		add_extension(certificate, NID_subject_alt_name, names);
	CHECK(X509_sign(certificate, signer, EVP_sha256()));
	out->certificate = to_pem(certificate, NULL);
	out->key = to_pem(NULL, key);
	if (issuer) {
		X509_free(by);
		EVP_PKEY_free(signer);
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
}

void certificate_fini(struct certificate *certificate)
{
	free(certificate->certificate);
	free(certificate->key);
}

static SSL_CTX *make_ctx(const struct server_config *config)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	X509 *certificate = read_certificate(config->tls->certificate);
	EVP_PKEY *key = read_key(config->tls->key);

	CHECK(ctx && SSL_CTX_use_certificate(ctx, certificate) && SSL_CTX_use_PrivateKey(ctx, key));
	/* Without it OpenSSL refuses to resume sessions where clients show certificates, and libcurl 8 does
	 * that. */
	CHECK(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4));
	X509_free(certificate);
	EVP_PKEY_free(key);
	if (config->client_ca) {
		certificate = read_certificate(config->client_ca->certificate);
		CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), certificate));
		X509_free(certificate);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return ctx;
}

/* ---- connections ---- */

void connection_send(struct connection *connection, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0 && !connection->closed) {
		ssize_t n = connection->ssl ? SSL_write(connection->ssl, at, (int)len)
					    : send(connection->fd, at, len, MSG_NOSIGNAL);

		if (n <= 0) {
			connection->closed = true;
			return;
		}
		at += n;
		len -= (size_t)n;
	}
}

void connection_print(struct connection *connection, const char *format, ...)
{
	char *text;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	CHECK(n >= 0);
	connection_send(connection, text, (size_t)n);
	free(text);
}

size_t connection_receive(struct connection *connection, void *data, size_t size)
{
	ssize_t n = connection->ssl ? SSL_read(connection->ssl, data, (int)size)
				    : recv(connection->fd, data, size, 0);

	return n > 0 ? (size_t)n : 0;
}

void connection_close(struct connection *connection)
{
	connection->closed = true;
}

void connection_reset(struct connection *connection)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	CHECK(setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	connection->closed = true;
}

void connection_wait(struct connection *connection)
{
	char ignored[256];

	while (connection_receive(connection, ignored, sizeof(ignored)) > 0)
		;
	connection->closed = true;
}

const char *connection_name(const struct connection *connection)
{
	const char *name =
		connection->ssl ? SSL_get_servername(connection->ssl, TLSEXT_NAMETYPE_host_name) : NULL;

	return name ? name : "";
}

void connection_peer(const struct connection *connection, char *name, size_t size)
{
	X509 *peer = connection->ssl ? SSL_get1_peer_certificate(connection->ssl) : NULL;

	name[0] = '\0';
	if (peer)
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, (int)size);
	X509_free(peer);
}

static int connect_to(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool copy(int from, int to)
{
	char data[16384];
	ssize_t n = recv(from, data, sizeof(data), 0);

	return n > 0 && send(to, data, (size_t)n, MSG_NOSIGNAL) == n;
}

bool connection_tunnel(struct connection *connection, int port, const char *greeting, size_t len)
{
	int fd = connect_to(port);
	struct pollfd fds[2] = {{.fd = connection->fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	if (fd < 0)
		return false;
	connection_send(connection, greeting, len);
	while (poll(fds, 2, -1) > 0) {
		if ((fds[0].revents && !copy(connection->fd, fd)) ||
			(fds[1].revents && !copy(fd, connection->fd)))
			break;
	}
	close(fd);
	connection->closed = true;
	return true;
}

/* Byte for byte, so that nothing behind the head is taken. */
static bool read_head(struct connection *connection, char *head)
{
	size_t len = 0;

	while (len < HEAD_MAX - 1 && connection_receive(connection, head + len, 1) == 1) {
		len++;
		head[len] = '\0';
		if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0)
			return true;
	}
	return false;
}

static void serve(struct connection *connection)
{
	const struct server_config *config = &connection->server->config;
	char *head = malloc(HEAD_MAX);

	CHECK(head);
	if (config->raw) {
		config->handler(connection, "", config->context);
	} else {
		while (!connection->closed && read_head(connection, head))
			config->handler(connection, head, config->context);
	}
	free(head);
}

/* What the peer has sent on must be read, or closing would reset the connection and take our alert away. */
static void drain(struct connection *connection)
{
	char ignored[256];

	shutdown(connection->fd, SHUT_WR);
	while (recv(connection->fd, ignored, sizeof(ignored), 0) > 0)
		;
}

static void *run_connection(void *context)
{
	struct connection *connection = context;
	struct server *server = connection->server;
	sigset_t pipe;

	/* Of this thread only: the code under test must do without. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	if (server->ctx) {
		connection->ssl = SSL_new(server->ctx);
		CHECK(connection->ssl && SSL_set_fd(connection->ssl, connection->fd));
	}
	if (!connection->ssl || SSL_accept(connection->ssl) == 1)
		serve(connection);
	else
		drain(connection);
	if (connection->ssl && connection->closed)
		SSL_shutdown(connection->ssl);
	SSL_free(connection->ssl);
	pthread_mutex_lock(&server->lock);
	close(connection->fd);
	connection->fd = -1;
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

static void *run_server(void *context)
{
	struct server *server = context;

	for (;;) {
		int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
		struct connection *connection;

		if (fd < 0)
			return NULL;
		connection = calloc(1, sizeof(*connection));
		CHECK(connection);
		connection->server = server;
		connection->fd = fd;
		pthread_mutex_lock(&server->lock);
		CHECK(server->count < CONNECTIONS_MAX);
		server->connections[server->count++] = connection;
		pthread_mutex_unlock(&server->lock);
		CHECK(pthread_create(&connection->thread, NULL, run_connection, connection) == 0);
	}
}

struct server *server_start(const struct server_config *config)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	struct server *server = calloc(1, sizeof(*server));

	CHECK(server);
	server->config = *config;
	pthread_mutex_init(&server->lock, NULL);
	if (config->tls)
		server->ctx = make_ctx(config);
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(server->fd >= 0);
	CHECK(bind(server->fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(server->fd, 128) == 0);
	CHECK(getsockname(server->fd, (struct sockaddr *)&address, &len) == 0);
	server->port = ntohs(address.sin_port);
	CHECK(pthread_create(&server->thread, NULL, run_server, server) == 0);
	return server;
}

void server_stop(struct server *server)
{
	if (!server)
		return;
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
	for (int i = 0; i < server->count; i++) {
		pthread_mutex_lock(&server->lock);
		if (server->connections[i]->fd >= 0)
			shutdown(server->connections[i]->fd, SHUT_RDWR);
		pthread_mutex_unlock(&server->lock);
		pthread_join(server->connections[i]->thread, NULL);
		free(server->connections[i]);
	}
	SSL_CTX_free(server->ctx);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

int server_port(const struct server *server)
{
	return server->port;
}

int server_connections(struct server *server)
{
	int count;

	pthread_mutex_lock(&server->lock);
	count = server->count;
	pthread_mutex_unlock(&server->lock);
	return count;
}
