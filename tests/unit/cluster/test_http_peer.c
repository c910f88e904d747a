#include "client.h"

#include <errno.h>
#include <stdio.h>

/* What a request tells of the connection, and of the server's clock: for who asks what is wrong. */

static void handle_dated(struct connection *connection, const char *head, void *context)
{
	(void)head, (void)context;
	connection_print(connection, "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
				     "Content-Length: 2\r\n\r\nok");
}

static int64_t told;

static int note_date(void *context, const struct kev_http_response *response)
{
	(void)context;
	told = response->date;
	return 0;
}

static int ignore_body(void *context, struct kev_str piece)
{
	(void)context, (void)piece;
	return 0;
}

static void count_done(void *context, const struct kev_http_result *result)
{
	int *done = context;

	assert_int_equal(result->error, 0);
	(*done)++;
}

static void test_response_date(void **state)
{
	struct client *client = *state;
	int done = 0;
	const struct kev_http_request request = {
		.path = "/", .head = note_date, .body = ignore_body, .done = count_done, .context = &done};

	client_open(client, handle_dated);
	assert_int_equal(kev_http_start(client->http, &request, NULL), 0);
	client_run_until(client, &done, 1);
	assert_int_equal(told, 784111777);
}

static void test_response_without_date(void **state)
{
	struct client *client = *state;
	int done = 0;
	const struct kev_http_request request = {
		.path = "/", .head = note_date, .body = ignore_body, .done = count_done, .context = &done};

	told = -1;
	client_open(client, handle_echo);
	assert_int_equal(kev_http_start(client->http, &request, NULL), 0);
	client_run_until(client, &done, 1);
	assert_int_equal(told, 0);
}

static void handle_post(struct connection *connection, const char *head, void *context)
{
	char body[16] = "";

	(void)context;
	assert_int_equal(connection_receive(connection, body, sizeof(body) - 1), 9);
	connection_print(connection,
		"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s%s",
		strlen(head) + strlen(body), head, body);
	connection_close(connection);
}

static void test_start_post(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};

	client_open(client, handle_post);
	client_ask(client, &answer, (struct kev_http_request){.path = "/x", .post = "{\"a\":\"b\"}"});
	client_run_one(client, &answer);
	assert_int_equal(answer.status, 201);
	assert_true(strncmp(answer.body, "POST /x HTTP/1.1\r\n", 18) == 0);
	assert_non_null(strstr(answer.body, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(answer.body, "\r\n\r\n{\"a\":\"b\"}"));
}

static void test_peer_plain(void **state)
{
	struct client *client = *state;
	struct answer first = {.heads = 0}, second = {.heads = 0};
	struct kev_peer peer = {.port = 0}, again = {.port = 0};

	client_open(client, handle_echo);
	client_ask(client, &first, (struct kev_http_request){.path = "/", .peer = &peer});
	client_run_one(client, &first);
	assert_true(peer.reached);
	assert_string_equal(peer.address, "127.0.0.1");
	assert_int_equal(peer.port, server_port(client->server));
	assert_int_equal(peer.made, 1);
	assert_true(peer.resolved > 0 && peer.connected >= peer.resolved);
	assert_int_equal(peer.secured, 0);
	assert_string_equal(peer.tls, "");
	assert_false(peer.http2);
	client_ask(client, &second, (struct kev_http_request){.path = "/", .peer = &again});
	client_run_one(client, &second);
	assert_string_equal(again.address, "127.0.0.1");
	assert_int_equal(again.made, 0);
}

static void test_peer_nobody(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	struct kev_peer peer = {.port = 0};

	client_open(client, handle_echo);
	server_stop(client->server);
	client->server = NULL;
	client_ask(client, &answer, (struct kev_http_request){.path = "/", .peer = &peer});
	client_run_one(client, &answer);
	assert_int_equal(answer.error, -ECONNREFUSED);
	assert_true(peer.resolved > 0);
	assert_int_equal(peer.connected, 0);
	assert_false(peer.reached);
	assert_string_equal(peer.address, "");
}

static void test_peer_tls(void **state)
{
	struct client *client = *state;
	struct certificate ca, certificate;
	struct answer answer = {.heads = 0};
	struct kev_peer peer = {.port = 0};

	certificate_make(&ca, NULL, NULL, 10);
	certificate_make(&certificate, &ca, "IP:127.0.0.1", 10);
	client->served.tls = &certificate;
	client->config.ca_data = ca.certificate;
	client_open(client, handle_echo);
	client_ask(client, &answer, (struct kev_http_request){.path = "/", .peer = &peer});
	client_run_one(client, &answer);
	assert_int_equal(answer.error, 0);
	assert_true(strncmp(peer.tls, "TLSv1.", 6) == 0);
	assert_string_equal(peer.certificate.names, "IP Address:127.0.0.1");
	assert_true(peer.certificate.until > 0);
	assert_true(peer.secured >= peer.connected && peer.connected > 0);
	certificate_fini(&certificate);
	certificate_fini(&ca);
}

/* Its certificate is not accepted: there was a connection, but nobody was met. */
static void test_peer_untrusted(void **state)
{
	struct client *client = *state;
	struct certificate certificate, other;
	struct answer answer = {.heads = 0};
	struct kev_peer peer = {.port = 0};

	certificate_make(&certificate, NULL, "IP:127.0.0.1", 10);
	certificate_make(&other, NULL, NULL, 10);
	client->served.tls = &certificate;
	client->config.ca_data = other.certificate;
	client_open(client, handle_echo);
	client_ask(client, &answer, (struct kev_http_request){.path = "/", .peer = &peer});
	client_run_one(client, &answer);
	assert_int_equal(answer.error, -EKEYREJECTED);
	assert_true(peer.reached);
	assert_string_equal(peer.address, "127.0.0.1");
	assert_int_equal(peer.port, server_port(client->server));
	assert_int_equal(peer.secured, 0);
	assert_string_equal(peer.tls, "");
	certificate_fini(&certificate);
	certificate_fini(&other);
}

static void test_badge(void **state)
{
	struct client *client = *state;
	struct certificate ca, certificate;
	struct kev_badge badge;
	struct kev_error error = {""};
	char token[] = "a.eyJleHAiOjd9.c";

	certificate_make(&ca, NULL, NULL, 10);
	certificate_make(&certificate, &ca, "IP:127.0.0.1", 10);
	client->served.tls = &certificate;
	client->config.ca_data = ca.certificate;
	client->config.token = token;
	client->config.cert_data = certificate.certificate;
	client->config.key_data = certificate.key;
	client_open(client, handle_echo);
	assert_int_equal(kev_http_badge(client->http, &badge, &error), 0);
	assert_true(badge.has_certificate);
	assert_int_equal(badge.header, KEV_BADGE_TOKEN);
	assert_int_equal(badge.token.until, 7);
	certificate_fini(&certificate);
	certificate_fini(&ca);
}

/* Over plain http nothing is shown. */
static void test_badge_withheld(void **state)
{
	struct client *client = *state;
	struct kev_badge badge;
	char token[] = "secret";

	client->config.token = token;
	client_open(client, handle_echo);
	assert_int_equal(kev_http_badge(client->http, &badge, NULL), 0);
	assert_int_equal(badge.header, KEV_BADGE_NOTHING);
	assert_false(badge.has_certificate);
}

static void test_badge_missing(void **state)
{
	struct client *client = *state;
	struct certificate certificate;
	struct kev_badge badge = {.header = KEV_BADGE_PASSWORD};
	struct kev_error error = {""};
	char path[] = "/nowhere/token";

	certificate_make(&certificate, NULL, "IP:127.0.0.1", 10);
	client->served.tls = &certificate;
	client->config.token_file = path;
	client_open(client, handle_echo);
	assert_int_equal(kev_http_badge(client->http, &badge, &error), -ENOENT);
	assert_non_null(strstr(error.text, path));
	assert_int_equal(badge.header, KEV_BADGE_PASSWORD);
	certificate_fini(&certificate);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_response_date),
		TEST(test_response_without_date),
		TEST(test_start_post),
		TEST(test_peer_plain),
		TEST(test_peer_nobody),
		TEST(test_peer_tls),
		TEST(test_peer_untrusted),
		TEST(test_badge),
		TEST(test_badge_withheld),
		TEST(test_badge_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
