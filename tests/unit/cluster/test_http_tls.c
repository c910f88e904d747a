#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Who is trusted, who is asked for, and what proxies get to see. */

struct pki {
	struct client client; /* first, so that the client's teardown serves */
	struct certificate ca, other_ca, server, user;
};

static int setup(void **state)
{
	struct pki *pki = calloc(1, sizeof(*pki));
	void *client = NULL;

	if (!pki || client_setup(&client))
		return -1;
	pki->client = *(struct client *)client;
	pki->client.clock.context = &pki->client;
	free(client);
	certificate_make(&pki->ca, NULL, NULL, 10);
	certificate_make(&pki->other_ca, NULL, NULL, 10);
	certificate_make(&pki->server, &pki->ca, "DNS:kubernetes.default.svc,IP:127.0.0.1", 10);
	certificate_make(&pki->user, &pki->ca, NULL, 10);
	pki->client.served.tls = &pki->server;
	*state = pki;
	return 0;
}

static int teardown(void **state)
{
	struct pki *pki = *state;

	certificate_fini(&pki->ca);
	certificate_fini(&pki->other_ca);
	certificate_fini(&pki->server);
	certificate_fini(&pki->user);
	return client_teardown(state);
}

/* The request's head, and the name that TLS asked for. */
static void handle_name(struct connection *connection, const char *head, void *context)
{
	(void)context;
	connection_print(connection, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s\n%s",
		strlen(connection_name(connection)) + 1 + strlen(head), connection_name(connection), head);
}

static void test_tls_credential_is_sent(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	char token[] = "secret";

	client->config.ca_data = pki->ca.certificate;
	client->config.token = token;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_int_equal(answer.error, 0);
	assert_non_null(strstr(answer.body, "\r\nAuthorization: Bearer secret\r\n"));
	/* An address is no name to ask for. */
	assert_int_equal(answer.body[0], '\n');
}

static void test_tls_untrusted(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	char token[] = "secret";

	client->config.ca_data = pki->other_ca.certificate;
	client->config.token = token;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EKEYREJECTED, client->url);
	assert_non_null(strstr(answer.reason, "unable to get local issuer certificate"));
	assert_non_null(strstr(answer.reason, "certificate-authority that is given"));
	assert_null(strstr(answer.reason, "secret"));
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* A cluster's certificates are replaced while it is mounted: what is refused is read again for the next
 * request. Half of what is written is not taken over. */
static void test_tls_authority_is_read_again(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer before = {.heads = 0}, broken = {.heads = 0}, between = {.heads = 0},
		      after = {.heads = 0};
	char path[] = "/tmp/kevfs-ca-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_file(path, pki->other_ca.certificate);
	client->config.ca_file = path;
	client_open(client, handle_name);
	client_fetch(client, &before, "/");
	assert_failure(&before, -EKEYREJECTED, client->url);
	write_file(path, "-----BEGIN CERTIFICATE-----\n");
	client_fetch(client, &broken, "/");
	assert_failure(&broken, -EKEYREJECTED, client->url);
	write_file(path, pki->ca.certificate);
	client_fetch(client, &between, "/");
	client_fetch(client, &after, "/");
	assert_int_equal(after.error, 0);
	assert_int_equal(after.status, 200);
	unlink(path);
}

static void test_tls_untrusted_by_the_system(void **state)
{
	struct pki *pki = *state;
	struct answer answer = {.heads = 0};

	client_open(&pki->client, handle_name);
	client_fetch(&pki->client, &answer, "/");
	assert_failure(
		&answer, -EKEYREJECTED, "does the kubeconfig name the cluster's certificate-authority?");
}

static void test_tls_expired(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	struct certificate expired;

	certificate_make(&expired, &pki->ca, "IP:127.0.0.1", -1);
	client->config.ca_data = pki->ca.certificate;
	client->served.tls = &expired;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EKEYREJECTED, "certificate has expired");
	certificate_fini(&expired);
}

static void test_tls_wrong_name(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	struct certificate elsewhere;

	certificate_make(&elsewhere, &pki->ca, "DNS:elsewhere,IP:127.0.0.2", 10);
	client->config.ca_data = pki->ca.certificate;
	client->served.tls = &elsewhere;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EKEYREJECTED, "tls-server-name");
	certificate_fini(&elsewhere);
}

static void test_tls_insecure(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	struct certificate elsewhere;

	certificate_make(&elsewhere, NULL, "DNS:elsewhere", -1);
	client->config.insecure = true;
	client->served.tls = &elsewhere;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_int_equal(answer.status, 200);
	certificate_fini(&elsewhere);
}

static void test_tls_server_name(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	struct certificate named;
	char name[] = "kubernetes.default.svc", host[64];

	/* For that name only. */
	certificate_make(&named, &pki->ca, "DNS:kubernetes.default.svc", 10);
	client->served.tls = &named;
	client->config.ca_data = pki->ca.certificate;
	client->config.tls_server_name = name;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/x");
	if (answer.error)
		fail_msg("%s", answer.reason);
	assert_true(strncmp(answer.body, "kubernetes.default.svc\nGET /x ", 30) == 0);
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%d\r\n", server_port(client->server));
	assert_non_null(strstr(answer.body, host));
	assert_null(strstr(answer.body + 23, name));
	certificate_fini(&named);
}

static void test_tls_server_name_is_checked(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	char name[] = "another.name";

	/* Its certificate is for 127.0.0.1, which must not be enough. */
	client->config.ca_data = pki->ca.certificate;
	client->config.tls_server_name = name;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EKEYREJECTED, "another.name");
}

static void test_tls_client_certificate(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};

	client->served.client_ca = &pki->ca;
	client->config.ca_data = pki->ca.certificate;
	client->config.cert_data = pki->user.certificate;
	client->config.key_data = pki->user.key;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_int_equal(answer.status, 200);
}

static void test_tls_client_certificate_missing(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};

	client->served.client_ca = &pki->ca;
	client->config.ca_data = pki->ca.certificate;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EPROTO, "TLS with https://127.0.0.1:");
	assert_non_null(strstr(answer.reason, "alert"));
}

static void test_tls_with_a_plain_server(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	struct server *plain = server_start(&(struct server_config){.handler = handle_echo, .raw = true});
	char url[64];

	snprintf(url, sizeof(url), "https://127.0.0.1:%d", server_port(plain));
	client->config.server = url;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EPROTO, "TLS with https://127.0.0.1:");
	server_stop(plain);
}

/* The client's hello is taken: the connection stands, and the handshake has begun. */
static void handle_hang_up(struct connection *connection, const char *head, void *context)
{
	char hello[4096];

	(void)head, (void)context;
	connection_receive(connection, hello, sizeof(hello));
	connection_close(connection);
}

static void handle_reset(struct connection *connection, const char *head, void *context)
{
	char hello[4096];

	(void)head, (void)context;
	connection_receive(connection, hello, sizeof(hello));
	connection_reset(connection);
}

static void assert_broken_off(struct client *client, server_handler handler)
{
	struct answer answer = {.heads = 0};
	struct server *plain = server_start(&(struct server_config){.handler = handler, .raw = true});
	char url[64];

	snprintf(url, sizeof(url), "https://127.0.0.1:%d", server_port(plain));
	client->config.server = url;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -ECONNRESET, url);
	server_stop(plain);
}

static void test_tls_handshake_broken_off(void **state)
{
	struct pki *pki = *state;

	assert_broken_off(&pki->client, handle_hang_up);
}

static void test_tls_handshake_reset(void **state)
{
	struct pki *pki = *state;

	assert_broken_off(&pki->client, handle_reset);
}

/* ---- proxies ---- */

struct proxy {
	int port;        /* to go to, whatever is asked for */
	char seen[4096]; /* what a client told it; read once the server has stopped */
};

static void handle_connect(struct connection *connection, const char *head, void *context)
{
	static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	struct proxy *proxy = context;

	snprintf(proxy->seen, sizeof(proxy->seen), "%s", head);
	if (proxy->port && connection_tunnel(connection, proxy->port, established, sizeof(established) - 1))
		return;
	connection_print(connection, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
}

/* RFC 1928: no authentication, CONNECT to a name. */
static void handle_socks(struct connection *connection, const char *head, void *context)
{
	static const char connected[] = {5, 0, 0, 1, 127, 0, 0, 1, 0, 0};
	struct proxy *proxy = context;
	unsigned char data[512];
	size_t n;

	(void)head;
	n = connection_receive(connection, data, sizeof(data));
	if (n < 3 || data[0] != 5)
		return;
	connection_send(connection, "\5\0", 2);
	n = connection_receive(connection, data, sizeof(data) - 1);
	data[n] = 0;
	if (n < 8)
		return;
	/* Type 3 is a name behind its length. */
	snprintf(proxy->seen, sizeof(proxy->seen), "%d %s", data[3], data + 5);
	connection_tunnel(connection, proxy->port, connected, sizeof(connected));
}

/* The cluster is one that only the proxy can find. */
static void configure_behind(struct pki *pki, struct server *server, char *url, size_t size)
{
	snprintf(url, size, "https://kubernetes.default.svc:%d", server_port(server));
	pki->client.config.server = url;
	pki->client.config.ca_data = pki->ca.certificate;
}

static void test_proxy_connect(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	struct proxy proxy = {0};
	struct server *server =
		server_start(&(struct server_config){.handler = handle_name, .tls = &pki->server});
	struct server *via =
		server_start(&(struct server_config){.handler = handle_connect, .context = &proxy});
	char url[64], proxy_url[64], token[] = "secret";

	proxy.port = server_port(server);
	configure_behind(pki, server, url, sizeof(url));
	snprintf(proxy_url, sizeof(proxy_url), "http://me:pass@127.0.0.1:%d", server_port(via));
	client->config.proxy_url = proxy_url;
	client->config.token = token;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	if (answer.error)
		fail_msg("%s", answer.reason);
	assert_non_null(strstr(answer.body, "Bearer secret"));
	assert_null(strstr(answer.body, "Proxy-Authorization"));
	kev_http_destroy(client->http);
	client->http = NULL;
	server_stop(via);
	server_stop(server);
	assert_true(strncmp(proxy.seen, "CONNECT kubernetes.default.svc:", 31) == 0);
	assert_non_null(strstr(proxy.seen, "\r\nProxy-Authorization: Basic bWU6cGFzcw==\r\n"));
	assert_null(strstr(proxy.seen, "secret"));
}

static void test_proxy_refuses(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	struct proxy proxy = {0};
	struct server *via =
		server_start(&(struct server_config){.handler = handle_connect, .context = &proxy});
	char url[] = "https://kubernetes.default.svc:6443", proxy_url[64];

	client->config.server = url;
	snprintf(proxy_url, sizeof(proxy_url), "http://me:pass@127.0.0.1:%d", server_port(via));
	client->config.proxy_url = proxy_url;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -EPROTO, "through the proxy http://127.0.0.1:");
	assert_non_null(strstr(answer.reason, " (proxy-url): "));
	assert_non_null(strstr(answer.reason, "403"));
	assert_null(strstr(answer.reason, "pass"));
	assert_int_equal(answer.heads, 0);
	server_stop(via);
}

static void test_proxy_refused(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	char url[] = "https://kubernetes.default.svc:6443", proxy_url[] = "http://127.0.0.1:1";

	client->config.server = url;
	client->config.proxy_url = proxy_url;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	assert_failure(&answer, -ECONNREFUSED,
		"through the proxy http://127.0.0.1:1 (proxy-url): Connection refused");
}

static void test_proxy_socks_resolves_names(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	struct proxy proxy = {0};
	struct server *server =
		server_start(&(struct server_config){.handler = handle_name, .tls = &pki->server});
	struct server *via = server_start(
		&(struct server_config){.handler = handle_socks, .context = &proxy, .raw = true});
	char url[64], proxy_url[64];

	proxy.port = server_port(server);
	configure_behind(pki, server, url, sizeof(url));
	snprintf(proxy_url, sizeof(proxy_url), "socks5://127.0.0.1:%d", server_port(via));
	client->config.proxy_url = proxy_url;
	client_open(client, handle_name);
	client_fetch(client, &answer, "/");
	if (answer.error)
		fail_msg("%s", answer.reason);
	assert_int_equal(answer.status, 200);
	kev_http_destroy(client->http);
	client->http = NULL;
	server_stop(via);
	server_stop(server);
	assert_true(strncmp(proxy.seen, "3 kubernetes.default.svc", 24) == 0);
}

/* With a tls-server-name the proxy is still asked for the server itself. */
static void test_proxy_of_the_environment_and_tls_server_name(void **state)
{
	struct pki *pki = *state;
	struct client *client = &pki->client;
	struct answer answer = {.heads = 0};
	struct proxy proxy = {0};
	struct server *server =
		server_start(&(struct server_config){.handler = handle_name, .tls = &pki->server});
	struct server *via =
		server_start(&(struct server_config){.handler = handle_connect, .context = &proxy});
	char url[] = "https://api.example:6443", proxy_url[64], name[] = "kubernetes.default.svc";

	proxy.port = server_port(server);
	client->config.server = url;
	client->config.ca_data = pki->ca.certificate;
	client->config.tls_server_name = name;
	snprintf(proxy_url, sizeof(proxy_url), "127.0.0.1:%d", server_port(via));
	setenv("HTTPS_PROXY", proxy_url, 1);
	/* It names the tls-server-name, and not the server: so it is no matter. */
	setenv("NO_PROXY", "kubernetes.default.svc", 1);
	client_open(client, handle_name);
	unsetenv("HTTPS_PROXY");
	unsetenv("NO_PROXY");
	client_fetch(client, &answer, "/");
	if (answer.error)
		fail_msg("%s", answer.reason);
	assert_non_null(strstr(answer.body, "\r\nHost: api.example:6443\r\n"));
	kev_http_destroy(client->http);
	client->http = NULL;
	server_stop(via);
	server_stop(server);
	assert_true(strncmp(proxy.seen, "CONNECT api.example:6443 ", 25) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tls_credential_is_sent),
		TEST(test_tls_untrusted),
		TEST(test_tls_authority_is_read_again),
		TEST(test_tls_untrusted_by_the_system),
		TEST(test_tls_expired),
		TEST(test_tls_wrong_name),
		TEST(test_tls_insecure),
		TEST(test_tls_server_name),
		TEST(test_tls_server_name_is_checked),
		TEST(test_tls_client_certificate),
		TEST(test_tls_client_certificate_missing),
		TEST(test_tls_with_a_plain_server),
		TEST(test_tls_handshake_broken_off),
		TEST(test_tls_handshake_reset),
		TEST(test_proxy_connect),
		TEST(test_proxy_refuses),
		TEST(test_proxy_refused),
		TEST(test_proxy_socks_resolves_names),
		TEST(test_proxy_of_the_environment_and_tls_server_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
