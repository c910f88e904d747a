#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE (5 * KEV_NS_PER_SEC)

static int64_t realtime(void *context)
{
	const struct client *client = context;

	return kev_clock_realtime(kev_clock_system()) + client->skew;
}

static int64_t monotonic(void *context)
{
	const struct client *client = context;

	return kev_clock_monotonic(kev_clock_system()) + client->skew;
}

int client_setup(void **state)
{
	static const char *const variables[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
		"NO_PROXY", "no_proxy", "ALL_PROXY"};
	struct client *client = calloc(1, sizeof(*client));

	*state = client;
	if (!client)
		return -1;
	for (size_t i = 0; i < KEV_ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	client->clock = (struct kev_clock){realtime, monotonic, monotonic, client};
	return 0;
}

int client_teardown(void **state)
{
	struct client *client = *state;

	kev_http_destroy(client->http);
	server_stop(client->server);
	free(client);
	return 0;
}

void client_open(struct client *client, server_handler handler)
{
	struct kev_error error = {""};

	client->served.handler = handler;
	client->server = server_start(&client->served);
	if (!client->config.server) {
		snprintf(client->url, sizeof(client->url), "%s://127.0.0.1:%d",
			client->served.tls ? "https" : "http", server_port(client->server));
		client->config.server = client->url;
	}
	if (kev_http_create(&client->config, &client->clock, "kevfs/test", &client->http, &error))
		fail_msg("%s", error.text);
}

static int on_head(void *context, const struct kev_http_response *response)
{
	struct answer *answer = context;

	assert_int_equal(answer->pieces, 0);
	assert_int_equal(answer->dones, 0);
	answer->heads++;
	answer->status = response->status;
	answer->retry_after = response->retry_after;
	answer->connection = response->connection;
	snprintf(answer->content_type, sizeof(answer->content_type), "%.*s", (int)response->content_type.len,
		response->content_type.len ? response->content_type.data : "");
	snprintf(answer->etag, sizeof(answer->etag), "%s", response->etag ? response->etag : "(none)");
	return answer->at_head ? answer->at_head(answer) : 0;
}

static int on_body(void *context, struct kev_str piece)
{
	struct answer *answer = context;

	assert_int_equal(answer->heads, 1);
	assert_int_equal(answer->dones, 0);
	assert_true(piece.len > 0);
	assert_true(piece.len < sizeof(answer->body) - answer->len);
	answer->pieces++;
	memcpy(answer->body + answer->len, piece.data, piece.len);
	answer->len += piece.len;
	answer->body[answer->len] = '\0';
	return answer->at_body ? answer->at_body(answer) : 0;
}

static void on_done(void *context, const struct kev_http_result *result)
{
	struct answer *answer = context;

	answer->dones++;
	answer->error = result->error;
	if (answer->heads)
		assert_int_equal(result->response.status, answer->status);
	answer->has_reason = result->reason != NULL;
	snprintf(answer->reason, sizeof(answer->reason), "%s", result->reason ? result->reason->text : "");
	if (answer->at_done)
		answer->at_done(answer);
}

void client_ask(struct client *client, struct answer *answer, struct kev_http_request request)
{
	answer->client = client;
	request.head = on_head;
	request.body = on_body;
	request.done = on_done;
	request.context = answer;
	assert_int_equal(kev_http_start(client->http, &request, &answer->transfer), 0);
	assert_int_equal(answer->dones, 0);
}

void client_get(struct client *client, struct answer *answer, const char *path)
{
	client_ask(client, answer, (struct kev_http_request){.path = path});
}

static void run_some(struct client *client, int64_t since)
{
	if (kev_clock_monotonic(kev_clock_system()) - since > PATIENCE)
		fail_msg("nothing happens");
	assert_int_equal(kev_http_run(client->http, 100), 0);
}

void client_run_until(struct client *client, const int *value, int least)
{
	int64_t since = kev_clock_monotonic(kev_clock_system());

	while (*value < least)
		run_some(client, since);
}

void client_run(struct client *client, const struct answer *const answers[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		client_run_until(client, &answers[i]->dones, 1);
}

void client_run_one(struct client *client, const struct answer *answer)
{
	client_run_until(client, &answer->dones, 1);
}

void client_fetch(struct client *client, struct answer *answer, const char *path)
{
	client_get(client, answer, path);
	client_run_one(client, answer);
}

void assert_answer(const struct answer *answer, int status, const char *body)
{
	if (answer->error)
		fail_msg("%s", answer->reason);
	assert_int_equal(answer->heads, 1);
	assert_int_equal(answer->dones, 1);
	assert_false(answer->has_reason);
	assert_int_equal(answer->status, status);
	assert_string_equal(answer->body, body);
}

void assert_failure(const struct answer *answer, int error, const char *text)
{
	if (answer->error != error || !strstr(answer->reason, text))
		fail_msg(
			"%d \"%s\" where %d \"%s\" was expected", answer->error, answer->reason, error, text);
	assert_int_equal(answer->dones, 1);
	assert_true(answer->has_reason);
}

void send_ok(struct connection *connection, const char *body)
{
	connection_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
}

void handle_echo(struct connection *connection, const char *head, void *context)
{
	(void)context;
	send_ok(connection, head);
}
