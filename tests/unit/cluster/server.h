#ifndef KEVFS_TESTS_UNIT_CLUSTER_SERVER_H
#define KEVFS_TESTS_UNIT_CLUSTER_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/**
 * A server on loopback for tests, that does what its handler says, byte for byte. Each connection has a
 * thread.
 */
struct server;
struct connection;

/** A certificate and its key, as PEM, and its common name. */
struct certificate {
	char *certificate, *key;
	char name[32];
};

/**
 * @param issuer  who signs; NULL: itself, as a certificate authority
 * @param names   "DNS:localhost,IP:127.0.0.1"; NULL: none
 * @param days    how long it is valid from now on; negative: it has expired
 */
void certificate_make(struct certificate *out, const struct certificate *issuer, const char *names, int days);
void certificate_fini(struct certificate *certificate);

/** One request; its head is NUL-terminated, its body is not read. */
typedef void (*server_handler)(struct connection *connection, const char *head, void *context);

struct server_config {
	server_handler handler;
	void *context;
	const struct certificate *tls;       /**< NULL: plain */
	const struct certificate *client_ca; /**< who signs client certificates; then they are required */
	bool raw; /**< the handler is called once a connection, before anything is read */
};

struct server *server_start(const struct server_config *config);
/** End every connection, and wait for the handlers. */
void server_stop(struct server *server);

int server_port(const struct server *server);
/** How many connections were accepted. */
int server_connections(struct server *server);

void connection_send(struct connection *connection, const void *data, size_t len);
void connection_print(struct connection *connection, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** @return how many bytes came; 0 at the end */
size_t connection_receive(struct connection *connection, void *data, size_t size);
/** No further request, and the connection ends when the handler returns. */
void connection_close(struct connection *connection);
/** The same, with a reset in place of an orderly end. */
void connection_reset(struct connection *connection);
/** Until the peer or the test ends the connection. */
void connection_wait(struct connection *connection);
/** The name that the client asked for by SNI; "" for none. */
const char *connection_name(const struct connection *connection);
/** The common name of the client's certificate; "" for none. */
void connection_peer(const struct connection *connection, char *name, size_t size);
/** Become a tunnel to a port of loopback, until either side ends. @return false if nobody listens */
bool connection_tunnel(struct connection *connection, int port, const char *greeting, size_t len);

#endif
