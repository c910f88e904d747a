/*
 * Every allocation of the room fails in turn, also what libcurl and jansson make for it: an error says so,
 * outputs are as they were, and the next try works.
 */
#include "client.h"
#include "plugin_script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/bio.h>
#include <openssl/evp.h>

#include "../nomem.h"
#include "kevfs/base/log.h"
#include "kevfs/cluster/answer.h"
#include "kevfs/cluster/badge.h"
#include "kevfs/cluster/credential.h"
#include "kevfs/cluster/file.h"
#include "kevfs/cluster/identity.h"
#include "kevfs/cluster/kubeconfig.h"
#include "kevfs/cluster/pem.h"
#include "kevfs/cluster/proxy.h"
#include "kevfs/cluster/status.h"
#include "kevfs/cluster/url.h"

/* ---- what libraries allocate ---- */

/* libcurl 7.88 frees a TLS session's host twice where there is no memory to keep it: over TLS, only ours
 * fails. */
static bool curl_has_memory;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *s);

static bool curl_fails(void)
{
	return !curl_has_memory && nomem_fails();
}

static void *curl_malloc(size_t size)
{
	return curl_fails() ? NULL : __real_malloc(size);
}

static void *curl_calloc(size_t count, size_t size)
{
	return curl_fails() ? NULL : __real_calloc(count, size);
}

static void *curl_realloc(void *old, size_t size)
{
	return curl_fails() ? NULL : __real_realloc(old, size);
}

static char *curl_strdup(const char *s)
{
	return curl_fails() ? NULL : __real_strdup(s);
}

BIO *__real_BIO_new_mem_buf(const void *data, int len);
BIO *__wrap_BIO_new_mem_buf(const void *data, int len);

BIO *__wrap_BIO_new_mem_buf(const void *data, int len)
{
	return nomem_fails() ? NULL : __real_BIO_new_mem_buf(data, len);
}

/* ---- files ---- */

struct place {
	char *directory;
	char *paths[6];
	size_t count;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	place->directory = strdup("/tmp/kevfs-test-XXXXXX");
	assert_non_null(place->directory);
	assert_non_null(mkdtemp(place->directory));
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	for (size_t i = 0; i < place->count; i++) {
		unlink(place->paths[i]);
		free(place->paths[i]);
	}
	assert_int_equal(rmdir(place->directory), 0);
	free(place->directory);
	free(place);
	return 0;
}

static const char *add_file(struct place *place, const char *name, const char *text)
{
	char **path = &place->paths[place->count++];
	FILE *file;

	assert_true(asprintf(path, "%s/%s", place->directory, name) > 0);
	file = fopen(*path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return *path;
}

/* All sorts of things that a kubeconfig may hold. @return its path */
static const char *add_kubeconfig(struct place *place)
{
	struct certificate ca, user;
	char encoded[4096], text[8192];

	certificate_make(&ca, NULL, NULL, 10);
	certificate_make(&user, &ca, NULL, 10);
	add_file(place, "user.crt", user.certificate);
	add_file(place, "user.key", user.key);
	assert_true(strlen(ca.certificate) < 3000);
	EVP_EncodeBlock(
		(unsigned char *)encoded, (const unsigned char *)ca.certificate, (int)strlen(ca.certificate));
	snprintf(text, sizeof(text),
		"current-context: x\n"
		"clusters:\n"
		"- name: c\n"
		"  cluster: &c\n"
		"    server: https://h:6443/prefix\n"
		"    certificate-authority-data: %s\n"
		"    tls-server-name: name\n"
		"    proxy-url: http://user:secret@proxy:3128\n"
		"- {name: d, cluster: *c}\n"
		"- name: e\n"
		"  cluster:\n"
		"    <<: *c\n"
		"    extensions:\n"
		"    - {name: client.authentication.k8s.io/exec, extension: {a: [1, 1.5, b, ~], c: {d: "
		"yes}}}\n"
		"users:\n"
		"- name: u\n"
		"  user: {client-certificate: user.crt, client-key: user.key, token: t}\n"
		"- name: v\n"
		"  user:\n"
		"    exec:\n"
		"      apiVersion: client.authentication.k8s.io/v1\n"
		"      command: ./login\n"
		"      args: [a, b]\n"
		"      env: [{name: A, value: b}]\n"
		"      interactiveMode: Never\n"
		"      installHint: there\n"
		"      provideClusterInfo: true\n"
		"    as: bob\n"
		"    as-groups: [dev, '']\n"
		"    as-user-extra: {k: [v, w]}\n"
		"contexts:\n"
		"- {name: z, context: {cluster: e, user: v}}\n"
		"- {name: x, context: {cluster: c, user: u, namespace: shop}}\n",
		encoded);
	certificate_fini(&ca);
	certificate_fini(&user);
	return add_file(place, "config", text);
}

struct kubeconfig {
	struct kev_environment environment;
	const char *context;
};

static int kubeconfig_action(void *context)
{
	const struct kubeconfig *kubeconfig = context;
	struct kev_cluster_config *config = NULL;
	struct kev_error error = {""};
	int r = kev_kubeconfig_load(&kubeconfig->environment, NULL, kubeconfig->context, &config, &error);

	assert_int_equal(config != NULL, r == 0);
	if (config)
		assert_string_equal(config->server, "https://h:6443/prefix");
	kev_cluster_config_destroy(config);
	return r;
}

static void test_kubeconfig(void **state)
{
	struct place *place = *state;
	struct kubeconfig kubeconfig = {.environment = {.kubeconfig = add_kubeconfig(place)}};

	assert_true(nomem_fail_each(kubeconfig_action, &kubeconfig) > 50);
	/* With a plugin, and impersonation. */
	kubeconfig.context = "z";
	assert_true(nomem_fail_each(kubeconfig_action, &kubeconfig) > 50);
}

static int service_account_action(void *context)
{
	struct place *place = context;
	const struct kev_environment environment = {
		.service_host = "::1", .service_port = "443", .service_account_directory = place->directory};
	struct kev_cluster_config *config = NULL;
	int r = kev_kubeconfig_load_in_cluster(&environment, &config, NULL);

	assert_int_equal(config != NULL, r == 0);
	kev_cluster_config_destroy(config);
	return r;
}

static int load_url_action(void *context)
{
	struct kev_cluster_config *config = NULL;
	int r = kev_kubeconfig_load_url(context, &config, NULL);

	assert_int_equal(config != NULL, r == 0);
	kev_cluster_config_destroy(config);
	return r;
}

static void test_other_sources(void **state)
{
	struct place *place = *state;
	char url[] = "https://h:1/a/../b";

	add_file(place, "token", "secret");
	add_file(place, "namespace", "shop");
	assert_true(nomem_fail_each(service_account_action, place) > 5);
	assert_true(nomem_fail_each(load_url_action, url) >= 3);
}

static int file_action(void *context)
{
	struct kev_buf out;
	char *joined = NULL, *directory = NULL;
	int r;

	kev_buf_init(&out, 100000);
	r = kev_file_read(context, KEV_FILE_REGULAR, &out);
	assert_int_equal(out.len > 0, r == 0);
	kev_buf_wipe(&out);
	if (!r)
		r = kev_file_join("/a/b", KEV_STR("../c"), &joined);
	if (!r)
		assert_string_equal(joined, "/a/c");
	if (!r)
		r = kev_file_directory("relative", &directory);
	free(joined);
	free(directory);
	return r;
}

static void test_file(void **state)
{
	struct place *place = *state;
	char path[64];

	snprintf(path, sizeof(path), "%s", add_file(place, "file", "text"));
	assert_true(nomem_fail_each(file_action, path) > 3);
}

/* ---- who we are ---- */

static int64_t no_time(void *context)
{
	(void)context;
	return 0;
}

static int identity_action(void *context)
{
	struct kev_identity identity;
	int r;

	kev_identity_init(&identity);
	r = kev_identity_load(&identity, context, kev_clock_system(), NULL);
	assert_int_equal(identity.key.len > 0, r == 0);
	kev_identity_fini(&identity);
	return r;
}

static void test_identity(void **state)
{
	char server[] = "https://h";
	struct certificate ca, user;
	struct kev_cluster_config config = {.server = server};

	(void)state;
	certificate_make(&ca, NULL, NULL, 10);
	certificate_make(&user, &ca, NULL, 10);
	config.ca_data = ca.certificate;
	config.cert_data = user.certificate;
	config.key_data = user.key;
	/* The three texts, and what reads them. */
	assert_true(nomem_fail_each(identity_action, &config) >= 6);
	certificate_fini(&ca);
	certificate_fini(&user);
}

static int credential_action(void *context)
{
	const struct kev_clock clock = {no_time, no_time, no_time, NULL};
	struct kev_credential *credential = kev_credential_create(context, &clock);
	struct kev_buf header;
	int r;

	if (!credential)
		return -ENOMEM;
	kev_buf_init(&header, 1000);
	r = kev_credential_header(credential, &header, NULL);
	assert_int_equal(header.len > 0, r == 0);
	kev_buf_wipe(&header);
	kev_credential_destroy(credential);
	return r;
}

static int environment_action(void *context)
{
	char *const ours[] = {(char[]){"A=1"}, (char[]){"B=2"}, NULL};
	char **environment = NULL;
	int r = kev_plugin_environment(context, ours, "/bin", &environment);

	assert_int_equal(environment != NULL, r == 0);
	kev_plugin_environment_free(environment);
	return r;
}

/* A credential, from the first question to what the plugin prints. */
static int plugin_action(void *context)
{
	struct kev_credential *credential = kev_credential_create(context, kev_clock_system());
	struct kev_error error = {""};
	struct kev_buf header;
	int fds[KEV_PLUGIN_DESCRIPTORS], r;

	if (!credential)
		return -ENOMEM;
	kev_buf_init(&header, 1000);
	while ((r = kev_credential_header(credential, &header, &error)) == -EAGAIN) {
		plugin_wait(fds, kev_credential_descriptors(credential, fds));
		(void)kev_credential_look(credential);
	}
	assert_int_equal(header.len > 0, r == 0);
	if (r)
		assert_true(error.text[0] || r == -ENOMEM);
	kev_buf_wipe(&header);
	kev_credential_destroy(credential);
	return r;
}

static void test_plugin(void **state)
{
	char server[] = "https://h", info[] = "{}", variable[] = "C=3";
	char *env[] = {variable, NULL};
	struct plugin_script script;
	struct kev_cluster_config config = {.server = server, .plugin = &script.config};

	(void)state;
	memset(&script, 0, sizeof(script));
	plugin_script_start(&script, PLUGIN_ECHO("abc"));
	script.config.info = info;
	config.helper = script.helper;
	assert_true(nomem_fail_each(plugin_action, &config) > 10);
	script.config.env = env;
	assert_true(nomem_fail_each(environment_action, &script.config) > 5);
	plugin_script_end(&script);
}

static void test_credential(void **state)
{
	struct place *place = *state;
	char server[] = "https://h", path[64], user[] = "u", password[] = "p";
	struct kev_cluster_config by_file = {.server = server, .token_file = path};
	struct kev_cluster_config basic = {.server = server, .username = user, .password = password};

	snprintf(path, sizeof(path), "%s", add_file(place, "token", "secret"));
	assert_true(nomem_fail_each(credential_action, &by_file) >= 3);
	assert_true(nomem_fail_each(credential_action, &basic) >= 3);
}

static int base64_action(void *context)
{
	char *out = NULL;
	size_t len = 77;
	int r = kev_pem_decode_base64(kev_str_c(context), &out, &len);

	assert_int_equal(len, r ? 77 : 4);
	assert_int_equal(out != NULL, r == 0);
	free(out);
	return r;
}

static int origin_action(void *context)
{
	struct kev_origin origin = {.label = NULL};
	const struct kev_proxy_environment environment = {.https_proxy = "u:p@proxy:3128", .no_proxy = "a,b"};
	char *proxy = NULL;
	int r = kev_origin_init(&origin, context);

	if (r) {
		assert_null(origin.label);
		return r;
	}
	r = kev_proxy_choose(context, &origin, &environment, &proxy, NULL);
	assert_int_equal(proxy != NULL, r == 0);
	free(proxy);
	kev_origin_fini(&origin);
	return r;
}

static void test_addresses(void **state)
{
	char server[] = "https://h:6443/prefix", name[] = "name", base64[] = "dGV4dA==";
	struct kev_cluster_config config = {.server = server, .tls_server_name = name};

	(void)state;
	assert_int_equal(nomem_fail_each(base64_action, base64), 2);
	assert_true(nomem_fail_each(origin_action, &config) > 6);
}

/* ---- what the server says ---- */

static int status_action(void *context)
{
	struct kev_status status;
	int r;

	kev_status_init(&status);
	r = kev_status_read(&status, kev_str_c(context));
	assert_int_equal(status.message.len > 0, r == 0);
	kev_status_fini(&status);
	return r;
}

static void test_status(void **state)
{
	char json[] = "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too old\","
		      "\"details\":{\"retryAfterSeconds\":7,\"causes\":[{\"reason\":\"a\"}]}}";
	char text[] = "<html>\n  Bad   Gateway </html>";

	(void)state;
	assert_true(nomem_fail_each(status_action, json) > 10);
	assert_true(nomem_fail_each(status_action, text) > 2);
}

/* ---- what we show ---- */

static int badge_action(void *context)
{
	struct kev_badge badge = {.header = KEV_BADGE_PASSWORD};
	/* {"exp":7} */
	int r = kev_badge_read(KEV_STR("Authorization: Bearer a.eyJleHAiOjd9.c"), kev_str_c(context), &badge);

	if (r)
		assert_int_equal(badge.header, KEV_BADGE_PASSWORD);
	else
		assert_true(
			badge.has_certificate && badge.header == KEV_BADGE_TOKEN && badge.token.until == 7);
	return r;
}

static void test_badge(void **state)
{
	struct certificate user;

	(void)state;
	certificate_make(&user, NULL, NULL, 10);
	assert_true(nomem_fail_each(badge_action, user.certificate) > 5);
	certificate_fini(&user);
}

/* ---- a request ---- */

static void handle_page(struct connection *connection, const char *head, void *context)
{
	(void)head, (void)context;
	connection_print(connection, "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 5\r\n\r\nwhole");
}

struct outcome {
	int dones, error;
	struct kev_buf body;
};

static int on_body(void *context, struct kev_str piece)
{
	return kev_buf_append_str(&((struct outcome *)context)->body, piece);
}

static void on_done(void *context, const struct kev_http_result *result)
{
	struct outcome *outcome = context;

	outcome->dones++;
	outcome->error = result->error;
	if (result->error)
		assert_true(result->reason->text[0]);
}

static int http_action(void *context)
{
	struct client *client = context;
	struct outcome outcome = {.dones = 0};
	const struct kev_http_request request = {.path = "/",
		.accept = "application/json",
		.if_none_match = "\"old\"",
		.gzip = true,
		.idle_timeout = 30,
		.body = on_body,
		.done = on_done,
		.context = &outcome};
	struct kev_http *http = NULL;
	int r = kev_http_create(&client->config, &client->clock, "kevfs/test", &http, NULL);

	assert_int_equal(http != NULL, r == 0);
	if (r)
		return r;
	kev_buf_init(&outcome.body, 100);
	r = kev_http_start(http, &request, NULL);
	while (!r && !outcome.dones)
		r = kev_http_run(http, 100);
	if (outcome.dones && !outcome.error)
		assert_str_equal(kev_buf_str(&outcome.body), KEV_STR("whole"));
	kev_http_destroy(http);
	assert_in_range(outcome.dones, 0, 1);
	kev_buf_fini(&outcome.body);
	return r ? r : outcome.error;
}

static void fail_each_of(struct client *client, size_t least)
{
	bool hit = true;
	size_t n;

	for (n = 1; hit; n++) {
		int r;

		client->served.handler = handle_page;
		client->server = server_start(&client->served);
		snprintf(client->url, sizeof(client->url), "%s://127.0.0.1:%d",
			client->served.tls ? "https" : "http", server_port(client->server));
		client->config.server = client->url;
		nomem_fail_in(n);
		r = http_action(client);
		hit = nomem_end();
		/* libcurl can do without some, and has other words for others. */
		assert_true(r == 0 || hit);
		if (r)
			assert_int_equal(http_action(client), 0);
		server_stop(client->server);
		client->server = NULL;
	}
	assert_true(n > least);
}

static void test_http(void **state)
{
	fail_each_of(*state, 50);
}

static void test_https(void **state)
{
	struct client *client = *state;
	struct certificate ca, server;
	char token[] = "secret";

	certificate_make(&ca, NULL, NULL, 10);
	certificate_make(&server, &ca, "IP:127.0.0.1", 10);
	client->served.tls = &server;
	client->config.ca_data = ca.certificate;
	client->config.token = token;
	curl_has_memory = true;
	fail_each_of(client, 15);
	curl_has_memory = false;
	certificate_fini(&ca);
	certificate_fini(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kubeconfig, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_sources, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
		cmocka_unit_test(test_identity),
		cmocka_unit_test_setup_teardown(test_credential, set_up, tear_down),
		cmocka_unit_test(test_plugin),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_badge),
		cmocka_unit_test_setup_teardown(test_http, client_setup, client_teardown),
		cmocka_unit_test_setup_teardown(test_https, client_setup, client_teardown),
	};

	kev_log_set_level(KEV_LOG_ERROR);
	/* curl_global_init() counts its callers: the first one says whose memory it is. */
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, free, curl_realloc, curl_strdup,
		    curl_calloc) != CURLE_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
