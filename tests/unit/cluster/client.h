#ifndef KEVFS_TESTS_UNIT_CLUSTER_CLIENT_H
#define KEVFS_TESTS_UNIT_CLUSTER_CLIENT_H

#include "../test.h"

#include <stdbool.h>

#include "kevfs/cluster/http.h"
#include "server.h"

/** A kev_http to a server of its own, over a clock that a test moves forward. */
struct client {
	struct server *server;
	struct server_config served;      /* handler, context and TLS, set before client_open() */
	struct kev_cluster_config config; /* its strings are the test's */
	char url[64];
	struct kev_clock clock;
	int64_t skew; /* ns that the clock is ahead of the system's */
	struct kev_http *http;
};

/** What a request brought. */
struct answer {
	struct client *client;
	struct kev_http_transfer *transfer;
	int heads, pieces, dones;
	int status, retry_after;
	uint64_t connection;
	char content_type[64], etag[64];
	char body[1 << 17];
	size_t len;
	int error;
	char reason[1024];
	bool has_reason;
	/* What a test does in the callbacks, after they were counted. */
	int (*at_head)(struct answer *answer);
	int (*at_body)(struct answer *answer);
	void (*at_done)(struct answer *answer);
	void *context;
};

int client_setup(void **state);
int client_teardown(void **state);

/** Start the server and make the kev_http; scheme://127.0.0.1:port is the server. */
void client_open(struct client *client, server_handler handler);

/** GET path, with answer to be filled. */
void client_get(struct client *client, struct answer *answer, const char *path);
/** The same with more options; the callbacks and the context are set here. */
void client_ask(struct client *client, struct answer *answer, struct kev_http_request request);

/** Run until so many of the answers have ended; fails after 5 s. */
void client_run(struct client *client, const struct answer *const answers[], size_t count);
void client_run_one(struct client *client, const struct answer *answer);
/** Run until *value is at least so much. */
void client_run_until(struct client *client, const int *value, int least);

/** One request, from start to end. */
void client_fetch(struct client *client, struct answer *answer, const char *path);

/** The answer is whole, has this status and this body. */
void assert_answer(const struct answer *answer, int status, const char *body);
/** The answer failed with this error, and the reason holds this text. */
void assert_failure(const struct answer *answer, int error, const char *text);

/** A handler that answers with the request's head. */
void handle_echo(struct connection *connection, const char *head, void *context);
/** Send a whole answer of that body. */
void send_ok(struct connection *connection, const char *body);

#endif
