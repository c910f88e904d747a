#include "client.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kevfs/base/defs.h"

/* How transfers end, other than well. */

static void handle_nothing(struct connection *connection, const char *head, void *context)
{
	(void)head, (void)context;
	connection_wait(connection);
}

static void test_done_connection_refused(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};

	client_open(client, handle_echo);
	/* Nobody listens on its port any more. */
	server_stop(client->server);
	client->server = NULL;
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -ECONNREFUSED, client->url);
	assert_non_null(strstr(answer.reason, "Connection refused"));
	assert_int_equal(answer.heads, 0);
}

static void test_done_name_not_found(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	char url[] = "http://name.invalid:80";

	client->config.server = url;
	client_open(client, handle_echo);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EHOSTUNREACH, "http://name.invalid:80");
}

static void handle_broken(struct connection *connection, const char *head, void *context)
{
	(void)context;
	if (strncmp(head, "GET /garbage", 12) == 0)
		connection_print(connection, "SSH-2.0-OpenSSH_9.2\r\n");
	else if (strncmp(head, "GET /chunk", 10) == 0)
		connection_print(
			connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n");
	else if (strncmp(head, "GET /status", 11) == 0)
		connection_print(connection, "HTTP/1.1 20x OK\r\n\r\n");
	else if (strncmp(head, "GET /none", 9) != 0)
		connection_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
	if (strncmp(head, "GET /reset", 10) == 0) {
		/* What was sent is there first. */
		usleep(50000);
		connection_reset(connection);
	}
	connection_close(connection);
}

static void test_done_broken_off(void **state)
{
	static const struct {
		const char *path;
		int error, heads;
		const char *body;
	} cases[] = {
		{"/close", -ECONNRESET, 1, "hello"},
		{"/reset", -ECONNRESET, 1, "hello"},
		{"/none", -ECONNRESET, 0, ""},
		{"/garbage", -EPROTO, 0, ""},
		{"/status", -EPROTO, 0, ""},
		{"/chunk", -ECONNRESET, 1, ""},
	};
	struct client *client = *state;

	client_open(client, handle_broken);
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct answer answer = {.heads = 0};

		client_fetch(client, &answer, cases[i].path);
		assert_failure(&answer, cases[i].error, client->url);
		assert_int_equal(answer.heads, cases[i].heads);
		assert_string_equal(answer.body, cases[i].body);
	}
}

static void handle_long_head(struct connection *connection, const char *head, void *context)
{
	const int *lines = context;

	(void)head;
	connection_print(connection, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < *lines; i++)
		connection_print(connection, "X-Filler-%d: %01000d\r\n", i, 0);
	connection_print(connection, "Content-Length: 2\r\n\r\nok");
}

static void test_done_head_too_long(void **state)
{
	struct client *client = *state;
	struct answer fits = {.heads = 0}, answer = {.heads = 0};
	int lines = 60;

	client->served.context = &lines;
	client_open(client, handle_long_head);
	client_fetch(client, &fits, "/");
	assert_answer(&fits, 200, "ok");
	lines = 70;
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EPROTO, "headers");
	assert_int_equal(answer.heads, 0);
}

static void test_done_idle(void **state)
{
	struct client *client = *state;
	struct answer idle = {.heads = 0}, patient = {.heads = 0};

	client_open(client, handle_nothing);
	client_ask(client, &idle, (struct kev_http_request){.path = "/", .idle_timeout = 10});
	client_get(client, &patient, "/");
	client->skew += 9 * KEV_NS_PER_SEC;
	assert_int_equal(kev_http_run(client->http, 20), 0);
	assert_int_equal(idle.dones, 0);
	client->skew += 1 * KEV_NS_PER_SEC;
	client_run_one(client, &idle);
	assert_failure(&idle, -ETIMEDOUT, "not a byte for 10 s");
	assert_int_equal(patient.dones, 0);
}

static void test_done_idle_ends_the_wait(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	int64_t since = kev_clock_monotonic(kev_clock_system());

	client_open(client, handle_nothing);
	client_ask(client, &answer, (struct kev_http_request){.path = "/", .idle_timeout = 1});
	while (!answer.dones)
		assert_int_equal(kev_http_run(client->http, 4000), 0);
	assert_in_range((kev_clock_monotonic(kev_clock_system()) - since) / KEV_NS_PER_MS, 1000, 3000);
	assert_failure(&answer, -ETIMEDOUT, client->url);
}

/* One byte whenever the test says so. */
static void handle_drip(struct connection *connection, const char *head, void *context)
{
	atomic_int *permitted = context;
	int sent = 0;

	(void)head;
	connection_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	while (sent < 5) {
		if (sent < atomic_load(permitted)) {
			connection_send(connection, "x", 1);
			sent++;
		}
		usleep(1000);
	}
}

static void test_done_not_idle_while_bytes_come(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	static atomic_int permitted;

	/* The server's threads outlive the test. */
	atomic_store(&permitted, 0);
	client->served.context = &permitted;
	client_open(client, handle_drip);
	client_ask(client, &answer, (struct kev_http_request){.path = "/", .idle_timeout = 10});
	client_run_until(client, &answer.heads, 1);
	for (int i = 1; i <= 5; i++) {
		client->skew += 8 * KEV_NS_PER_SEC;
		atomic_store(&permitted, i);
		client_run_until(client, &answer.pieces, i);
	}
	client_run_one(client, &answer);
	assert_answer(&answer, 200, "xxxxx");
}

static void test_done_total_timeout(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	static atomic_int permitted;

	/* The server's threads outlive the test. */
	atomic_store(&permitted, 1);
	client->served.context = &permitted;
	client_open(client, handle_drip);
	client_ask(client, &answer,
		(struct kev_http_request){.path = "/", .idle_timeout = 30, .total_timeout = 20});
	client_run_until(client, &answer.pieces, 1);
	client->skew += 15 * KEV_NS_PER_SEC;
	atomic_store(&permitted, 2);
	client_run_until(client, &answer.pieces, 2);
	client->skew += 5 * KEV_NS_PER_SEC;
	client_run_one(client, &answer);
	assert_failure(&answer, -ETIMEDOUT, "not done within 20 s");
	assert_string_equal(answer.body, "xx");
	atomic_store(&permitted, 5);
}

/* Only the first connection hangs. */
static void handle_first_hangs(struct connection *connection, const char *head, void *context)
{
	atomic_int *requests = context;

	if (atomic_fetch_add(requests, 1) == 0)
		connection_wait(connection);
	else
		handle_echo(connection, head, NULL);
}

static void test_done_idle_connection_is_left(void **state)
{
	struct client *client = *state;
	struct answer hangs = {.heads = 0}, answer = {.heads = 0};
	atomic_int requests = 0;

	client->served.context = &requests;
	client_open(client, handle_first_hangs);
	client_ask(client, &hangs, (struct kev_http_request){.path = "/", .idle_timeout = 10});
	while (atomic_load(&requests) == 0)
		assert_int_equal(kev_http_run(client->http, 5), 0);
	client->skew += 10 * KEV_NS_PER_SEC;
	client_run_one(client, &hangs);
	assert_int_equal(hangs.error, -ETIMEDOUT);
	client_fetch(client, &answer, "/");
	assert_int_equal(answer.status, 200);
	assert_int_equal(server_connections(client->server), 2);
}

static void test_done_without_credential(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0};
	char url[] = "https://127.0.0.1:1", path[] = "/nonexistent/token";

	client->config.server = url;
	client->config.token_file = path;
	client_open(client, handle_echo);
	client_get(client, &answer, "/");
	assert_int_equal(kev_http_run(client->http, 10000), 0);
	assert_failure(&answer, -ENOENT, "/nonexistent/token");
}

/* ---- callbacks that act ---- */

static int stop(struct answer *answer)
{
	(void)answer;
	return -EINVAL;
}

static void test_head_says_stop(void **state)
{
	struct client *client = *state;
	struct answer answer = {.at_head = stop}, next = {.heads = 0};

	client_open(client, handle_echo);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -ECANCELED, client->url);
	assert_int_equal(answer.pieces, 0);
	client_fetch(client, &next, "/");
	assert_int_equal(next.status, 200);
}

static void test_body_says_stop(void **state)
{
	struct client *client = *state;
	struct answer answer = {.at_body = stop};

	client_open(client, handle_echo);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -ECANCELED, client->url);
	assert_int_equal(answer.pieces, 1);
}

static int cancel_self(struct answer *answer)
{
	kev_http_cancel(answer->client->http, answer->transfer);
	return 0;
}

static int cancel_self_and_stop(struct answer *answer)
{
	kev_http_cancel(answer->client->http, answer->transfer);
	return -EINVAL;
}

static void test_cancel_self(void **state)
{
	struct client *client = *state;
	struct answer answers[] = {
		{.at_head = cancel_self},
		{.at_body = cancel_self},
		{.at_head = cancel_self_and_stop},
		{.at_body = cancel_self_and_stop},
	};

	client_open(client, handle_echo);
	for (size_t i = 0; i < KEV_ARRAY_LEN(answers); i++) {
		struct answer witness = {.heads = 0};

		client_get(client, &answers[i], "/");
		client_run_until(client, i % 2 ? &answers[i].pieces : &answers[i].heads, 1);
		client_fetch(client, &witness, "/");
		assert_int_equal(witness.status, 200);
		assert_int_equal(answers[i].heads, 1);
		assert_int_equal(answers[i].pieces, i % 2);
		assert_int_equal(answers[i].dones, 0);
	}
}

static void cancel_self_at_done(struct answer *answer)
{
	kev_http_cancel(answer->client->http, answer->transfer);
}

static void test_cancel_in_done_is_no_op(void **state)
{
	struct client *client = *state;
	struct answer answer = {.at_done = cancel_self_at_done};

	client_open(client, handle_echo);
	client_fetch(client, &answer, "/");
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.dones, 1);
	kev_http_cancel(client->http, NULL);
}

static void test_cancel_before_run(void **state)
{
	struct client *client = *state;
	struct answer answer = {.heads = 0}, witness = {.heads = 0};

	client_open(client, handle_echo);
	client_get(client, &answer, "/");
	kev_http_cancel(client->http, answer.transfer);
	client_fetch(client, &witness, "/");
	assert_int_equal(witness.status, 200);
	assert_int_equal(answer.heads + answer.dones, 0);
}

/* Requests of which the first ends the others. */
struct race {
	struct answer answers[4];
	int dones;
};

static int cancel_others(struct answer *answer)
{
	struct race *race = answer->context;

	for (size_t i = 0; i < KEV_ARRAY_LEN(race->answers); i++) {
		if (&race->answers[i] != answer)
			kev_http_cancel(answer->client->http, race->answers[i].transfer);
	}
	return 0;
}

static void count_done(struct answer *answer)
{
	struct race *race = answer->context;

	race->dones++;
}

static void cancel_others_at_done(struct answer *answer)
{
	count_done(answer);
	cancel_others(answer);
}

/* Whichever is first ends the others, which are in whatever state the moment has them. */
static void test_cancel_others(void **state)
{
	struct client *client = *state;
	struct race *race = calloc(1, sizeof(*race));

	assert_non_null(race);
	client_open(client, handle_echo);
	for (int round = 0; round < 20; round++) {
		struct answer witness = {.heads = 0};
		bool at_done = round % 2;
		int heads = 0;

		memset(race, 0, sizeof(*race));
		for (size_t i = 0; i < KEV_ARRAY_LEN(race->answers); i++) {
			struct answer *answer = &race->answers[i];

			answer->context = race;
			answer->at_head = at_done ? NULL : cancel_others;
			answer->at_done = at_done ? cancel_others_at_done : count_done;
			client_get(client, answer, "/");
		}
		client_run_until(client, &race->dones, 1);
		client_fetch(client, &witness, "/");
		for (size_t i = 0; i < KEV_ARRAY_LEN(race->answers); i++)
			heads += race->answers[i].heads;
		assert_in_range(heads, 1, at_done ? KEV_ARRAY_LEN(race->answers) : 1);
		assert_int_equal(race->dones, 1);
		assert_int_equal(witness.status, 200);
	}
	free(race);
}

static void cancel_others_of_two(struct answer *answer)
{
	struct answer *other = answer->context;

	kev_http_cancel(answer->client->http, other->transfer);
}

/* Two that are overdue at once. */
static void test_cancel_other_that_is_overdue(void **state)
{
	struct client *client = *state;
	struct answer first = {.at_done = cancel_others_of_two}, second = {.heads = 0};

	first.context = &second;
	client_open(client, handle_nothing);
	client_ask(client, &first, (struct kev_http_request){.path = "/", .idle_timeout = 1});
	client_ask(client, &second, (struct kev_http_request){.path = "/", .idle_timeout = 1});
	client->skew += 2 * KEV_NS_PER_SEC;
	client_run_one(client, &first);
	assert_int_equal(kev_http_run(client->http, 10), 0);
	assert_int_equal(first.error, -ETIMEDOUT);
	assert_int_equal(second.dones, 0);
}

static void start_next(struct answer *answer)
{
	struct answer *next = answer->context;

	client_get(answer->client, next, "/next");
}

static int start_next_at(struct answer *answer)
{
	start_next(answer);
	return 0;
}

static void test_start_from_callbacks(void **state)
{
	struct client *client = *state;
	struct answer last = {.heads = 0};
	struct answer third = {.at_done = start_next, .context = &last};
	struct answer second = {.at_body = start_next_at, .context = &third};
	struct answer first = {.at_head = start_next_at, .context = &second};

	client_open(client, handle_echo);
	client_get(client, &first, "/");
	client_run_one(client, &last);
	assert_int_equal(last.status, 200);
	assert_int_equal(first.dones, 1);
	assert_int_equal(second.dones, 1);
	assert_int_equal(third.dones, 1);
}

static void test_destroy_calls_nothing(void **state)
{
	struct client *client = *state;
	struct answer started = {.heads = 0}, running = {.heads = 0}, dripping = {.heads = 0};
	static atomic_int permitted;

	/* The server's threads outlive the test. */
	atomic_store(&permitted, 1);
	client->served.context = &permitted;
	client_open(client, handle_drip);
	client_get(client, &dripping, "/");
	client_get(client, &running, "/");
	client_run_until(client, &dripping.pieces, 1);
	client_get(client, &started, "/");
	kev_http_destroy(client->http);
	client->http = NULL;
	assert_int_equal(dripping.dones + running.dones + started.dones, 0);
	assert_int_equal(started.heads, 0);
	atomic_store(&permitted, 5);
}

static void test_create_refuses(void **state)
{
	struct client *client = *state;
	char url[] = "https://127.0.0.1:1", path[] = "/nonexistent/ca.crt";
	struct kev_http *http = (struct kev_http *)client;
	struct kev_error error = {""};

	client->config.server = url;
	client->config.ca_file = path;
	assert_int_equal(kev_http_create(&client->config, &client->clock, "x", &http, &error), -EINVAL);
	assert_ptr_equal(http, client);
	assert_non_null(strstr(error.text, path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_done_connection_refused),
		TEST(test_done_name_not_found),
		TEST(test_done_broken_off),
		TEST(test_done_head_too_long),
		TEST(test_done_idle),
		TEST(test_done_idle_ends_the_wait),
		TEST(test_done_not_idle_while_bytes_come),
		TEST(test_done_total_timeout),
		TEST(test_done_idle_connection_is_left),
		TEST(test_done_without_credential),
		TEST(test_head_says_stop),
		TEST(test_body_says_stop),
		TEST(test_cancel_self),
		TEST(test_cancel_in_done_is_no_op),
		TEST(test_cancel_before_run),
		TEST(test_cancel_others),
		TEST(test_cancel_other_that_is_overdue),
		TEST(test_start_from_callbacks),
		TEST(test_destroy_calls_nothing),
		TEST(test_create_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
