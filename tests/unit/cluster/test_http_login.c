#include "client.h"
#include "plugin_script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who we are, as it changes while requests are under way: plugins, and files that rotate. */

/* How many lines a watch may send. The server's threads outlive the test. */
static atomic_int permitted;

struct world {
	struct client client; /* first, so that what is made for one serves */
	struct certificate ca, other_ca, server, user, other_user;
	struct plugin_script script;
	char directory[32], fifo[48], answer[48];
	char cert_file[48], key_file[48], ca_file[48];
};

static void write_file(const char *path, const char *text)
{
	char part[64];
	FILE *file;

	snprintf(part, sizeof(part), "%s.part", path);
	file = fopen(part, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(part, path), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	void *client = NULL;

	if (!w || client_setup(&client)) {
		free(w);
		return -1;
	}
	w->client = *(struct client *)client;
	w->client.clock.context = &w->client;
	free(client);
	certificate_make(&w->ca, NULL, NULL, 10);
	certificate_make(&w->other_ca, NULL, NULL, 10);
	certificate_make(&w->server, &w->ca, "IP:127.0.0.1", 10);
	certificate_make(&w->user, &w->ca, NULL, 10);
	certificate_make(&w->other_user, &w->ca, NULL, 10);
	w->client.served.tls = &w->server;
	w->client.config.ca_data = w->ca.certificate;
	memcpy(w->directory, "/tmp/kevfs-test-XXXXXX", sizeof("/tmp/kevfs-test-XXXXXX"));
	if (!mkdtemp(w->directory))
		return -1;
	snprintf(w->fifo, sizeof(w->fifo), "%s/fifo", w->directory);
	snprintf(w->answer, sizeof(w->answer), "%s/answer", w->directory);
	snprintf(w->cert_file, sizeof(w->cert_file), "%s/cert", w->directory);
	snprintf(w->key_file, sizeof(w->key_file), "%s/key", w->directory);
	snprintf(w->ca_file, sizeof(w->ca_file), "%s/ca", w->directory);
	atomic_store(&permitted, 1);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	atomic_store(&permitted, 2);
	kev_http_destroy(w->client.http);
	w->client.http = NULL;
	plugin_script_end(&w->script);
	unlink(w->fifo);
	unlink(w->answer);
	unlink(w->cert_file);
	unlink(w->key_file);
	unlink(w->ca_file);
	certificate_fini(&w->ca);
	certificate_fini(&w->other_ca);
	certificate_fini(&w->server);
	certificate_fini(&w->user);
	certificate_fini(&w->other_user);
	if (rmdir(w->directory) < 0)
		return -1;
	return client_teardown(state);
}

/* The plugin prints the answer when the test opens the fifo. */
static void use_plugin(struct world *w)
{
	char script[128];

	assert_int_equal(mkfifo(w->fifo, 0600), 0);
	snprintf(script, sizeof(script), "cat %s; exec cat %s", w->fifo, w->answer);
	plugin_script_start(&w->script, script);
	w->client.config.plugin = &w->script.config;
	w->client.config.helper = w->script.helper;
}

/* Without a fifo: at once. */
static void use_quick_plugin(struct world *w)
{
	char script[128];

	snprintf(script, sizeof(script), "exec cat %s", w->answer);
	plugin_script_start(&w->script, script);
	w->client.config.plugin = &w->script.config;
	w->client.config.helper = w->script.helper;
}

static void prints(struct world *w, const char *status)
{
	char text[400];

	snprintf(text, sizeof(text), PLUGIN_HEAD "\"status\":{%s}}", status);
	write_file(w->answer, text);
}

/* The same with a certificate; line breaks as JSON has them. */
static void prints_certificate(struct world *w, const struct certificate *user)
{
	const char *const parts[] = {user->certificate, user->key};
	struct kev_buf text;

	kev_buf_init(&text, 65536);
	kev_buf_append_c(&text, PLUGIN_HEAD "\"status\":{\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"");
	for (int i = 0; i < 2; i++) {
		kev_buf_printf(&text, ",\"%s\":\"", i ? "clientKeyData" : "clientCertificateData");
		for (const char *c = parts[i]; *c; c++) {
			if (*c == '\n')
				kev_buf_append_c(&text, "\\n");
			else
				kev_buf_append_char(&text, *c);
		}
		kev_buf_append_char(&text, '"');
	}
	kev_buf_append_c(&text, "}}");
	write_file(w->answer, kev_buf_cstr(&text));
	kev_buf_fini(&text);
}

static void let_plugin_go(struct world *w)
{
	int fd = open(w->fifo, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
}

static void run(struct client *client)
{
	assert_int_equal(kev_http_run(client->http, 20), 0);
}

static void send_lines(struct connection *connection)
{
	int sent = 0;

	connection_print(connection, "HTTP/1.1 200 OK\r\n\r\n");
	while (sent < 2) {
		if (sent < atomic_load(&permitted)) {
			connection_send(connection, "line\n", 5);
			sent++;
		}
		usleep(1000);
	}
	connection_wait(connection);
}

/* "/watch" does not end by itself. */
static void handle(struct connection *connection, const char *head, void *context)
{
	char peer[64];

	(void)context;
	connection_peer(connection, peer, sizeof(peer));
	if (strncmp(head, "GET /watch ", 11) == 0)
		send_lines(connection);
	else if (strstr(head, "Bearer wrong"))
		connection_print(connection, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
	else
		connection_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s\n%s",
			strlen(peer) + 1 + strlen(head), peer, head);
}

static void assert_peer(const struct answer *answer, const struct certificate *user)
{
	char name[64];

	assert_int_equal(answer->error, 0);
	assert_int_equal(sscanf(answer->body, "%63[^\n]", name), 1);
	assert_string_equal(name, user->name);
}

static void test_plugin_is_waited_for(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer one = {.heads = 0}, two = {.heads = 0};

	use_plugin(w);
	prints(w, "\"token\":\"abc\"");
	client_open(client, handle);
	client_ask(
		client, &one, (struct kev_http_request){.path = "/1", .idle_timeout = 5, .total_timeout = 5});
	assert_false(kev_http_is_waiting(client->http, NULL));
	run(client);
	client_ask(client, &two, (struct kev_http_request){.path = "/2", .idle_timeout = 5});
	run(client);
	assert_true(kev_http_is_waiting(client->http, one.transfer));
	assert_true(kev_http_is_waiting(client->http, two.transfer));
	assert_true(kev_http_is_waiting(client->http, NULL));
	/* That is not the server's time. */
	client->skew += 50 * KEV_NS_PER_SEC;
	run(client);
	assert_int_equal(one.dones + two.dones, 0);
	assert_int_equal(server_connections(client->server), 0);
	let_plugin_go(w);
	client_run_one(client, &one);
	client_run_one(client, &two);
	assert_non_null(strstr(one.body, "\r\nAuthorization: Bearer abc\r\n"));
	assert_non_null(strstr(two.body, "\r\nAuthorization: Bearer abc\r\n"));
	assert_false(kev_http_is_waiting(client->http, NULL));
}

/* While one that is new waits, what is under way goes on. */
static void test_plugin_holds_nobody_else_up(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer watch = {.heads = 0}, later = {.heads = 0};

	use_plugin(w);
	prints(w, "\"token\":\"abc\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"");
	client_open(client, handle);
	client_get(client, &watch, "/watch");
	run(client);
	let_plugin_go(w);
	client_run_until(client, &watch.pieces, 1);
	client->skew += 2 * KEV_NS_PER_SEC;
	client_get(client, &later, "/");
	run(client);
	assert_true(kev_http_is_waiting(client->http, later.transfer));
	assert_false(kev_http_is_waiting(client->http, watch.transfer));
	atomic_store(&permitted, 2);
	client_run_until(client, &watch.pieces, 2);
	assert_int_equal(later.dones, 0);
	let_plugin_go(w);
	client_run_one(client, &later);
	assert_int_equal(later.status, 200);
	assert_int_equal(watch.dones, 0);
}

/* Whoever asks whether the server lives does not wait for a plugin, nor fails with it; but shows what is
 * known of us. */
static void test_plugin_is_not_waited_for(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer watch = {.heads = 0}, prompt = {.heads = 0}, other = {.heads = 0}, again = {.heads = 0};

	use_plugin(w);
	prints_certificate(w, &w->user);
	client->served.client_ca = &w->ca;
	client_open(client, handle);
	client_get(client, &watch, "/watch");
	run(client);
	let_plugin_go(w);
	client_run_until(client, &watch.pieces, 1);
	client->skew += 2 * KEV_NS_PER_SEC;
	client_ask(
		client, &prompt, (struct kev_http_request){.path = "/", .prompt = true, .total_timeout = 15});
	assert_false(kev_http_is_waiting(client->http, NULL));
	client_run_one(client, &prompt);
	assert_peer(&prompt, &w->user);
	assert_null(strstr(prompt.body, "Authorization"));
	client_get(client, &other, "/");
	run(client);
	assert_true(kev_http_is_waiting(client->http, other.transfer));
	write_file(w->answer, "nonsense");
	let_plugin_go(w);
	client_run_one(client, &other);
	assert_failure(&other, -EACCES, "exec plugin login");
	client_ask(
		client, &again, (struct kev_http_request){.path = "/", .prompt = true, .total_timeout = 15});
	client_run_one(client, &again);
	assert_peer(&again, &w->user);
	assert_int_equal(watch.dones, 0);
}

/* Where there is a credential, it goes along. */
static void test_prompt_with_a_credential(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer first = {.heads = 0}, prompt = {.heads = 0};

	use_quick_plugin(w);
	prints(w, "\"token\":\"abc\"");
	client_open(client, handle);
	client_fetch(client, &first, "/");
	client_ask(client, &prompt, (struct kev_http_request){.path = "/", .prompt = true});
	client_run_one(client, &prompt);
	assert_non_null(strstr(prompt.body, "\r\nAuthorization: Bearer abc\r\n"));
}

static void refuse(struct answer *answer)
{
	int *fresh = answer->context;
	struct kev_error why = {"401"};

	if (kev_http_refresh_credential(answer->client->http, &why))
		(*fresh)++;
	snprintf(answer->reason, sizeof(answer->reason), "%s", why.text);
}

/* Three are refused, and the plugin runs once. */
static void test_plugin_runs_again_when_refused(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer answers[3], after = {.heads = 0};
	int fresh = 0;

	use_quick_plugin(w);
	prints(w, "\"token\":\"wrong\"");
	client_open(client, handle);
	memset(answers, 0, sizeof(answers));
	for (size_t i = 0; i < KEV_ARRAY_LEN(answers); i++) {
		answers[i].at_done = refuse;
		answers[i].context = &fresh;
		client_get(client, &answers[i], "/");
	}
	for (size_t i = 0; i < KEV_ARRAY_LEN(answers); i++) {
		client_run_one(client, &answers[i]);
		assert_int_equal(answers[i].status, 401);
		/* From now on it prints what is right, which only the next run can see. */
		prints(w, "\"token\":\"right\"");
	}
	assert_int_equal(fresh, 3);
	client_fetch(client, &after, "/");
	assert_non_null(strstr(after.body, "Bearer right"));
}

static void test_plugin_that_fails(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer one = {.heads = 0}, two = {.heads = 0}, three = {.heads = 0};

	use_quick_plugin(w);
	write_file(w->answer, "nonsense");
	client_open(client, handle);
	client_get(client, &one, "/1");
	client_get(client, &two, "/2");
	client_run_one(client, &one);
	client_run_one(client, &two);
	assert_failure(&one, -EACCES, "exec plugin login: prints something that is no JSON object");
	assert_failure(&two, -EACCES, "exec plugin login: prints something that is no JSON object");
	assert_int_equal(one.heads + two.heads, 0);
	assert_int_equal(server_connections(client->server), 0);
	/* It recovers by itself. */
	prints(w, "\"token\":\"abc\"");
	client->skew += 2 * KEV_NS_PER_SEC;
	client_fetch(client, &three, "/3");
	assert_non_null(strstr(three.body, "Bearer abc"));
}

/* Then the refused one is still sent, as the server may think better of it; what is wrong is told with that.
 */
static void test_plugin_that_fails_when_refused(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer first = {.at_done = refuse}, second = {.at_done = refuse};
	int fresh = 0;

	use_quick_plugin(w);
	prints(w, "\"token\":\"wrong\"");
	client_open(client, handle);
	first.context = second.context = &fresh;
	client_fetch(client, &first, "/");
	assert_int_equal(first.status, 401);
	assert_int_equal(fresh, 1);
	assert_string_equal(first.reason, "401");
	write_file(w->answer, "nonsense");
	client_fetch(client, &second, "/");
	assert_int_equal(second.status, 401);
	assert_int_equal(fresh, 1);
	assert_string_equal(second.reason, "401; exec plugin login: prints something that is no JSON object");
}

static void test_plugin_that_hangs(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer answer = {.heads = 0};

	use_plugin(w);
	client_open(client, handle);
	client_get(client, &answer, "/");
	run(client);
	client->skew += 60 * KEV_NS_PER_SEC;
	client_run_one(client, &answer);
	assert_failure(&answer, -EACCES, "exec plugin login: does not end within 60 s");
}

static void test_plugin_cancelled_while_waiting(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer one = {.heads = 0}, two = {.heads = 0}, three = {.heads = 0};

	use_plugin(w);
	prints(w, "\"token\":\"abc\"");
	client_open(client, handle);
	client_get(client, &one, "/1");
	client_get(client, &two, "/2");
	run(client);
	kev_http_cancel(client->http, one.transfer);
	let_plugin_go(w);
	client_run_one(client, &two);
	assert_answer(&two, 200, two.body);
	assert_int_equal(one.dones, 0);
	/* One that is under way is no matter to who leaves. */
	client->skew += 1000 * KEV_NS_PER_SEC;
	client_get(client, &three, "/3");
	run(client);
}

static void test_plugin_certificate(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer one = {.heads = 0}, watch = {.heads = 0}, two = {.heads = 0}, three = {.heads = 0};
	struct certificate mixed;

	use_quick_plugin(w);
	prints_certificate(w, &w->user);
	client->served.client_ca = &w->ca;
	client_open(client, handle);
	client_fetch(client, &one, "/");
	assert_peer(&one, &w->user);
	assert_null(strstr(one.body, "Authorization"));
	client_get(client, &watch, "/watch");
	client_run_until(client, &watch.pieces, 1);
	/* It has expired long ago; with the next one a watch's connection is over, as for client-go. */
	prints_certificate(w, &w->other_user);
	client->skew += 2 * KEV_NS_PER_SEC;
	client_get(client, &two, "/");
	client_run_one(client, &two);
	assert_peer(&two, &w->other_user);
	client_run_one(client, &watch);
	assert_answer(&watch, 200, "line\n");
	/* One whose key is another's is as good as none. */
	mixed = (struct certificate){.certificate = w->user.certificate, .key = w->other_user.key};
	prints_certificate(w, &mixed);
	client->skew += 2 * KEV_NS_PER_SEC;
	client_fetch(client, &three, "/");
	assert_failure(&three, -EACCES,
		"exec plugin login prints what cannot be used: clientKeyData is not the key of the client "
		"certificate");
}

static void use_files(struct world *w, const struct certificate *user)
{
	write_file(w->cert_file, user->certificate);
	write_file(w->key_file, user->key);
	write_file(w->ca_file, w->ca.certificate);
	w->client.config.ca_data = NULL;
	w->client.config.ca_file = w->ca_file;
	w->client.config.cert_file = w->cert_file;
	w->client.config.key_file = w->key_file;
	w->client.served.client_ca = &w->ca;
}

/* Nobody refuses the old one, and the watch goes on with it: it ends for the new one. */
static void test_files_rotate(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer one = {.heads = 0}, watch = {.heads = 0}, two = {.heads = 0};

	use_files(w, &w->user);
	client_open(client, handle);
	client_fetch(client, &one, "/");
	assert_peer(&one, &w->user);
	client_get(client, &watch, "/watch");
	client_run_until(client, &watch.pieces, 1);
	/* The half of a pair is not taken over. */
	write_file(w->cert_file, w->other_user.certificate);
	client->skew += 10 * KEV_NS_PER_SEC;
	run(client);
	assert_int_equal(watch.dones, 0);
	write_file(w->key_file, w->other_user.key);
	client->skew += 10 * KEV_NS_PER_SEC;
	client_run_one(client, &watch);
	assert_answer(&watch, 200, "line\n");
	client_fetch(client, &two, "/");
	assert_peer(&two, &w->other_user);
}

/* Written anew as they were, or with another authority only: the watch goes on. */
static void test_files_of_the_same_certificate(void **state)
{
	struct world *w = *state;
	struct client *client = &w->client;
	struct answer watch = {.heads = 0}, one = {.heads = 0}, two = {.heads = 0};

	use_files(w, &w->user);
	client_open(client, handle);
	client_get(client, &watch, "/watch");
	client_run_until(client, &watch.pieces, 1);
	write_file(w->cert_file, w->user.certificate);
	write_file(w->key_file, w->user.key);
	client->skew += 10 * KEV_NS_PER_SEC;
	client_fetch(client, &one, "/");
	assert_peer(&one, &w->user);
	assert_int_equal(watch.dones, 0);
	write_file(w->ca_file, w->other_ca.certificate);
	client->skew += 10 * KEV_NS_PER_SEC;
	client_fetch(client, &two, "/");
	assert_failure(&two, -EKEYREJECTED, client->url);
	assert_int_equal(watch.dones, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plugin_is_waited_for),
		TEST(test_plugin_holds_nobody_else_up),
		TEST(test_plugin_is_not_waited_for),
		TEST(test_prompt_with_a_credential),
		TEST(test_plugin_runs_again_when_refused),
		TEST(test_plugin_that_fails),
		TEST(test_plugin_that_fails_when_refused),
		TEST(test_plugin_that_hangs),
		TEST(test_plugin_cancelled_while_waiting),
		TEST(test_plugin_certificate),
		TEST(test_files_rotate),
		TEST(test_files_of_the_same_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
