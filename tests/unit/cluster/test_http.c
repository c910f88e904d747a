#include "client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What a response says, and how it comes. Its end is in test_http_end.c, TLS and proxies are in
 * test_http_tls.c. */

/* "0123456789", a hundred times. */
static const char compressed[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x33\x30"
				 "\x34\x32\x36\x31\x35\x33\xb7\xb0\x34\x18\x65\x8d"
				 "\xb2\x46\x59\xc3\x94\x05\x00\xf1\x8f\x85\x7c\xe8"
				 "\x03\x00\x00";

static void assert_ten_times_ten(const struct answer *answer)
{
	assert_int_equal(answer->len, 1000);
	for (size_t i = 0; i < answer->len; i++)
		assert_int_equal(answer->body[i], "0123456789"[i % 10]);
}

static void handle_full(struct connection *connection, const char *head, void *context)
{
	(void)head, (void)context;
	connection_print(connection, "HTTP/1.1 410 Gone\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
				     "ETag: \"a b\"\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nhello");
}

static void test_start_whole_answer(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};

	client_open(client, handle_full);
	client_fetch(client, &answer, "/api");
	assert_answer(&answer, 410, "hello");
	assert_string_equal(answer.content_type, "application/json");
	assert_string_equal(answer.etag, "\"a b\"");
	assert_int_equal(answer.retry_after, 7);
}

static void test_start_sends_what_was_asked(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	char token[] = "secret", user_agent[] = "User-Agent: kevfs/test\r\n";

	client->config.token = token;
	client_open(client, handle_echo);
	client_ask(client, &answer,
		(struct kev_http_request){.path = "/a/../b?c=%2F",
			.accept = "application/json;as=X,text/plain",
			.if_none_match = "\"tag\""});
	client_run_one(client, &answer);
	assert_int_equal(answer.status, 200);
	assert_true(strncmp(answer.body, "GET /a/../b?c=%2F HTTP/1.1\r\n", 28) == 0);
	assert_non_null(strstr(answer.body, "\r\nAccept: application/json;as=X,text/plain\r\n"));
	assert_non_null(strstr(answer.body, "\r\nIf-None-Match: \"tag\"\r\n"));
	assert_non_null(strstr(answer.body, user_agent));
	assert_null(strcasestr(answer.body, "Accept-Encoding"));
	/* Never over plain http. */
	assert_null(strcasestr(answer.body, "Authorization"));
	assert_null(strstr(answer.body, "secret"));
	assert_string_equal(answer.etag, "(none)");
	assert_int_equal(answer.retry_after, -1);
}

/* They are no secret, and who is asked must know whom we act as: over plain http, too. */
static void test_start_sends_impersonation(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	char user[] = "Impersonate-User: bob",
	     empty[] = "Impersonate-Group: ", group[] = "Impersonate-Group: dev";
	char *headers[] = {user, empty, group, NULL};

	client->config.impersonate = headers;
	client_open(client, handle_echo);
	client_fetch(client, &answer, "/");
	assert_non_null(
		strstr(answer.body, "\r\nImpersonate-User: bob\r\nImpersonate-Group:\r\nImpersonate-Group: "
				    "dev\r\n"));
}

static void test_start_behind_prefix(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	char url[96];

	client_open(client, handle_echo);
	snprintf(url, sizeof(url), "%s/k8s/clusters/c-1", client->url);
	client->config.server = url;
	kev_http_destroy(client->http);
	assert_int_equal(
		kev_http_create(&client->config, &client->clock, "kevfs/test", &client->http, NULL), 0);
	client_fetch(client, &answer, "/api?x");
	assert_true(strncmp(answer.body, "GET /k8s/clusters/c-1/api?x ", 28) == 0);
}

static void handle_chunked(struct connection *connection, const char *head, void *context)
{
	(void)head, (void)context;
	connection_print(connection,
		"HTTP/1.1 103 Early Hints\r\nETag: \"early\"\r\n\r\n"
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nETag: \"late\"\r\nRetry-After: 3\r\n\r\n");
}

static void test_start_chunked_with_hints_and_trailers(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};

	client_open(client, handle_chunked);
	client_fetch(client, &answer, "/");
	assert_answer(&answer, 200, "abcdefgh");
	assert_string_equal(answer.etag, "(none)");
	assert_int_equal(answer.retry_after, -1);
}

static void handle_empty(struct connection *connection, const char *head, void *context)
{
	(void)context;
	if (strstr(head, "If-None-Match"))
		connection_print(connection, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
	else
		connection_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void test_start_without_body(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0}, unchanged = {.heads = 0};

	client_open(client, handle_empty);
	client_fetch(client, &answer, "/");
	assert_answer(&answer, 200, "");
	assert_int_equal(answer.pieces, 0);
	client_ask(client, &unchanged, (struct kev_http_request){.path = "/", .if_none_match = "\"x\""});
	client_run_one(client, &unchanged);
	assert_answer(&unchanged, 304, "");
	assert_string_equal(unchanged.etag, "\"x\"");
}

static void handle_redirect(struct connection *connection, const char *head, void *context)
{
	const int *port = context;

	(void)head;
	connection_print(connection,
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/elsewhere\r\nContent-Length: "
		"4\r\n\r\nmove",
		*port);
}

static void test_start_redirect_is_an_answer(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	const struct server_config other = {.handler = handle_echo};
	struct server *elsewhere = server_start(&other);
	int port = server_port(elsewhere);

	client->served.context = &port;
	client_open(client, handle_redirect);
	client_fetch(client, &answer, "/");
	assert_answer(&answer, 302, "move");
	assert_int_equal(server_connections(elsewhere), 0);
	server_stop(elsewhere);
}

/* The request's path tells which: the whole of it, one cut short, one in another encoding. */
static void handle_compressed(struct connection *connection, const char *head, void *context)
{
	size_t len = sizeof(compressed) - 1;
	const char *encoding = "gzip";

	(void)context;
	if (strncmp(head, "GET /cut", 8) == 0)
		len -= 12;
	if (strncmp(head, "GET /garbage", 12) == 0)
		encoding = "GZip";
	if (strncmp(head, "GET /unknown", 12) == 0)
		encoding = "compress";
	connection_print(connection,
		"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nX-Asked: %s\r\nContent-Length: %zu\r\n\r\n",
		encoding, strstr(head, "\r\nAccept-Encoding: gzip\r\n") ? "yes" : "no", len);
	if (strncmp(head, "GET /garbage", 12) == 0) {
		for (size_t i = 0; i < len; i++)
			connection_send(connection, "x", 1);
	} else {
		connection_send(connection, compressed, len);
	}
}

static void test_start_gzip_is_decoded(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};

	client_open(client, handle_compressed);
	client_ask(client, &answer, (struct kev_http_request){.path = "/", .gzip = true});
	client_run_one(client, &answer);
	assert_int_equal(answer.error, 0);
	assert_ten_times_ten(&answer);
}

/* As http.h has it. */
static void test_start_gzip_cut_short(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};

	client_open(client, handle_compressed);
	client_ask(client, &answer, (struct kev_http_request){.path = "/cut", .gzip = true});
	client_run_one(client, &answer);
	assert_int_equal(answer.error, 0);
	assert_in_range(answer.len, 1, 999);
}

static void test_start_gzip_garbage(void **state)
{
	static const char *const paths[] = {"/garbage", "/unknown"};
	struct client *client = *state;

	client_open(client, handle_compressed);
	for (size_t i = 0; i < KEV_ARRAY_LEN(paths); i++) {
		struct answer answer = {.heads = 0};

		client_ask(client, &answer, (struct kev_http_request){.path = paths[i], .gzip = true});
		client_run_one(client, &answer);
		assert_failure(&answer, -EPROTO, client->url);
		assert_int_equal(answer.len, 0);
	}
}

static void test_start_compressed_though_not_asked(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};

	client_open(client, handle_compressed);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EPROTO, "compressed");
	assert_int_equal(answer.heads, 0);
	assert_int_equal(answer.len, 0);
}

static void test_start_compression_disabled(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};

	client->config.disable_compression = true;
	client_open(client, handle_echo);
	client_ask(client, &answer, (struct kev_http_request){.path = "/", .gzip = true});
	client_run_one(client, &answer);
	assert_int_equal(answer.error, 0);
	assert_null(strcasestr(answer.body, "Accept-Encoding"));
}

static void handle_many(struct connection *connection, const char *head, void *context)
{
	int number = (head[5] - '0') * 10 + head[6] - '0';

	(void)context;
	connection_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	for (int i = 0; i < 100; i++) {
		char piece[1000];

		memset(piece, 'a' + number % 26, sizeof(piece));
		connection_send(connection, piece, sizeof(piece));
	}
}

static void test_start_many_at_once(void **state)
{
	enum { COUNT = 50 };
	struct client *client = *state;
	struct answer *answers = calloc(COUNT, sizeof(*answers));
	char path[16];

	assert_non_null(answers);
	client_open(client, handle_many);
	for (int i = 0; i < COUNT; i++) {
		snprintf(path, sizeof(path), "/%02d", i);
		client_get(client, &answers[i], path);
	}
	for (int i = 0; i < COUNT; i++) {
		client_run_one(client, &answers[i]);
		assert_int_equal(answers[i].error, 0);
		assert_int_equal(answers[i].len, 100000);
		for (size_t at = 0; at < answers[i].len; at++)
			assert_int_equal(answers[i].body[at], 'a' + i % 26);
	}
	free(answers);
}

/* "/wait" does not end. */
static void handle_two(struct connection *connection, const char *head, void *context)
{
	(void)context;
	if (strncmp(head, "GET /wait", 9) != 0) {
		send_ok(connection, "ok");
		return;
	}
	connection_print(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
	connection_wait(connection);
}

static void test_start_connection_is_used_again(void **state)
{
	struct client *client = *state;

	client_open(client, handle_echo);
	for (int i = 0; i < 5; i++) {
		struct answer answer = {.heads = 0};

		client_fetch(client, &answer, "/");
		assert_int_equal(answer.status, 200);
	}
	assert_int_equal(server_connections(client->server), 1);
}

/* Which connection an answer came on, and when something was heard there. */
static void test_start_connections_are_told_apart(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0}, first = {.heads = 0}, other = {.heads = 0};
	int64_t before;

	client_open(client, handle_two);
	assert_int_equal(kev_http_newest(client->http), 0);
	assert_int_equal(kev_http_quiet_since(client->http), INT64_MAX);
	client_fetch(client, &first, "/");
	assert_int_equal(first.connection, 1);
	assert_int_equal(kev_http_newest(client->http), 1);
	before = kev_clock_monotonic(&client->clock);
	client_get(client, &answer, "/wait");
	client_run_until(client, &answer.pieces, 1);
	assert_int_equal(answer.connection, 1);
	assert_true(kev_http_heard(client->http, answer.transfer) >= before);
	/* That one is busy. */
	client->skew += KEV_NS_PER_SEC;
	client_fetch(client, &other, "/");
	assert_int_equal(other.connection, 2);
	assert_int_equal(kev_http_newest(client->http), 2);
	/* What came there says that the server lives, which is all that can be asked over HTTP/1.1. */
	assert_true(kev_http_heard(client->http, answer.transfer) >= before + KEV_NS_PER_SEC);
	assert_int_equal(kev_http_quiet_since(client->http), kev_http_heard(client->http, answer.transfer));
}

static int64_t elapsed_ms(int64_t since)
{
	return (kev_clock_monotonic(kev_clock_system()) - since) / KEV_NS_PER_MS;
}

static void test_run_waits(void **state)
{
	struct client *client = *state;
	int64_t since = kev_clock_monotonic(kev_clock_system());

	client_open(client, handle_echo);
	assert_int_equal(kev_http_run(client->http, 100), 0);
	assert_in_range(elapsed_ms(since), 99, 4000);
	since = kev_clock_monotonic(kev_clock_system());
	assert_int_equal(kev_http_run(client->http, 0), 0);
	assert_in_range(elapsed_ms(since), 0, 90);
}

static void *wake(void *context)
{
	usleep(20000);
	kev_http_wakeup(context);
	return NULL;
}

static void test_wakeup_from_another_thread(void **state)
{
	struct client *client = *state;
	int64_t since = kev_clock_monotonic(kev_clock_system());
	pthread_t thread;

	client_open(client, handle_echo);
	assert_int_equal(pthread_create(&thread, NULL, wake, client->http), 0);
	assert_int_equal(kev_http_run(client->http, 10000), 0);
	assert_in_range(elapsed_ms(since), 0, 5000);
	pthread_join(thread, NULL);
	/* One that comes too early is not lost. */
	kev_http_wakeup(client->http);
	since = kev_clock_monotonic(kev_clock_system());
	assert_int_equal(kev_http_run(client->http, 10000), 0);
	assert_in_range(elapsed_ms(since), 0, 5000);
}

static void test_append_query_escapes(void **state)
{
	struct kev_buf out;

	(void)state;
	kev_buf_init(&out, 100);
	assert_int_equal(kev_http_append_query(&out, (struct kev_str){"aZ0-._~ &=+/%\0\xc3\xa9", 16}), 0);
	assert_str_equal(kev_buf_str(&out), KEV_STR("aZ0-._~%20%26%3D%2B%2F%25%00%C3%A9"));
	kev_buf_fini(&out);
	kev_buf_init(&out, 2);
	assert_int_equal(kev_http_append_query(&out, KEV_STR(" ")), -EMSGSIZE);
	kev_buf_fini(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start_whole_answer),
		TEST(test_start_sends_what_was_asked),
		TEST(test_start_sends_impersonation),
		TEST(test_start_behind_prefix),
		TEST(test_start_chunked_with_hints_and_trailers),
		TEST(test_start_without_body),
		TEST(test_start_redirect_is_an_answer),
		TEST(test_start_gzip_is_decoded),
		TEST(test_start_gzip_cut_short),
		TEST(test_start_gzip_garbage),
		TEST(test_start_compressed_though_not_asked),
		TEST(test_start_compression_disabled),
		TEST(test_start_many_at_once),
		TEST(test_start_connection_is_used_again),
		TEST(test_start_connections_are_told_apart),
		TEST(test_run_waits),
		TEST(test_wakeup_from_another_thread),
		cmocka_unit_test(test_append_query_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
