#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/cluster/config.h"

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n"
#define KEY "-----BEGIN PRIVATE KEY-----\nMAo=\n-----END PRIVATE KEY-----\n"

static struct kev_cluster_config *config_with(const char *server)
{
	struct kev_cluster_config *config = kev_cluster_config_create();

	assert_non_null(config);
	config->source = strdup("SOURCE");
	config->server = server ? strdup(server) : NULL;
	return config;
}

static void set(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	assert_non_null(*field);
}

/* Checks and destroys the config; text NULL: it passes. */
static void assert_check(struct kev_cluster_config *config, const char *text)
{
	struct kev_error error = {""};
	int r = kev_cluster_config_check(config, &error);

	kev_cluster_config_destroy(config);
	assert_string_equal(error.text, text ? text : "");
	assert_int_equal(r, text ? -EINVAL : 0);
}

static void test_create_destroy(void **state)
{
	struct kev_cluster_config *config = kev_cluster_config_create();

	(void)state;
	assert_non_null(config);
	assert_null(config->server);
	assert_false(config->insecure);
	kev_cluster_config_destroy(config);
	kev_cluster_config_destroy(NULL);
}

static void test_is_secure(void **state)
{
	static const struct {
		const char *server;
		bool secure;
	} cases[] = {{"https://h", true}, {"http://h", false}, {"http://https://", false}, {NULL, false}};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_cluster_config *config = config_with(cases[i].server);

		assert_int_equal(kev_cluster_config_is_secure(config), cases[i].secure);
		kev_cluster_config_destroy(config);
	}
}

static void test_withholds_credential(void **state)
{
	struct kev_cluster_config *config = config_with("http://h");
	char **const credentials[] = {&config->token, &config->token_file, &config->username,
		&config->cert_file, &config->cert_data};

	(void)state;
	assert_false(kev_cluster_config_withholds_credential(config));
	for (size_t i = 0; i < KEV_ARRAY_LEN(credentials); i++) {
		set(&config->server, "http://h");
		set(credentials[i], "x");
		assert_true(kev_cluster_config_withholds_credential(config));
		set(&config->server, "https://h");
		assert_false(kev_cluster_config_withholds_credential(config));
		free(*credentials[i]);
		*credentials[i] = NULL;
	}
	kev_cluster_config_destroy(config);
}

static void test_check_server(void **state)
{
	(void)state;
	assert_check(config_with("https://h"), NULL);
	assert_check(config_with("http://h"), NULL);
	assert_check(config_with(NULL), "SOURCE: no server is given");
	assert_check(
		config_with("ftp://h"), "SOURCE: server: \"ftp://h\": its scheme is neither http nor https");
	assert_check(config_with("https://u:hunter2@h"),
		"SOURCE: server: a user or a password in it is not supported");
	assert_check(config_with("https://h?a"),
		"SOURCE: server: \"https://h?a\": it has a query (?) or a fragment (#)");
}

/* A mount without TLS and without a login still works: the credential is only not sent. */
static void test_check_credential_over_http(void **state)
{
	struct kev_cluster_config *config = config_with("http://h");

	(void)state;
	set(&config->token, "abc");
	set(&config->token_file, "/nonexistent");
	assert_check(config, NULL);
}

static void test_check_names(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} cases[] = {
		{"a", true},
		{"kube-system", true},
		{"0", true},
		{"a23456789-123456789-123456789-123456789-123456789-123456789-123", true},
		{"a23456789-123456789-123456789-123456789-123456789-123456789-1234", false},
		{"-a", false},
		{"a-", false},
		{"A", false},
		{"a.b", false},
		{"a/b", false},
		{"..", false},
		{"a b", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_cluster_config *config = config_with("https://h");
		struct kev_error error;

		set(&config->namespace_, cases[i].name);
		assert_int_equal(kev_cluster_config_check(config, &error), cases[i].valid ? 0 : -EINVAL);
		kev_cluster_config_destroy(config);
	}
}

static void test_check_tls_server_name(void **state)
{
	static const char *const valid[] = {"API.example_1.com", "10.0.0.1", "::1"};
	static const char *const invalid[] = {"a b", "a/b", "[::1]", "a\n", ""};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(valid); i++) {
		struct kev_cluster_config *config = config_with("https://h");

		set(&config->tls_server_name, valid[i]);
		assert_check(config, NULL);
	}
	for (size_t i = 0; i < KEV_ARRAY_LEN(invalid); i++) {
		struct kev_cluster_config *config = config_with("https://h");

		set(&config->tls_server_name, invalid[i]);
		assert_int_equal(kev_cluster_config_check(config, NULL), -EINVAL);
		kev_cluster_config_destroy(config);
	}
}

static void test_check_proxy(void **state)
{
	struct kev_cluster_config *config = config_with("https://h");

	(void)state;
	set(&config->proxy_url, "http://u:p@proxy");
	assert_int_equal(kev_cluster_config_check(config, NULL), 0);
	set(&config->proxy_url, "ftp://u:hunter2@proxy");
	assert_check(config, "SOURCE: proxy-url: its scheme is none of http, https and socks5");
}

static void test_check_combinations(void **state)
{
	enum field {
		CA_FILE,
		CA_DATA,
		INSECURE,
		CERT_FILE,
		CERT_DATA,
		KEY_FILE,
		KEY_DATA,
		TOKEN,
		TOKEN_FILE,
		USERNAME,
		PASSWORD
	};
	static const struct {
		enum field a, b;
		const char *text;
	} cases[] = {
		{CA_FILE, CA_DATA,
			"SOURCE: certificate-authority and certificate-authority-data are both given"},
		{CA_FILE, INSECURE,
			"SOURCE: a certificate-authority and insecure-skip-tls-verify are both given"},
		{CA_DATA, INSECURE,
			"SOURCE: a certificate-authority and insecure-skip-tls-verify are both given"},
		{CERT_FILE, CERT_DATA,
			"SOURCE: client-certificate and client-certificate-data are both given"},
		{KEY_FILE, KEY_DATA, "SOURCE: client-key and client-key-data are both given"},
		{CERT_FILE, CERT_FILE, "SOURCE: there is a client-certificate, but no client-key"},
		{CERT_DATA, CERT_DATA, "SOURCE: there is a client-certificate, but no client-key"},
		{KEY_FILE, KEY_FILE, "SOURCE: there is a client-key, but no client-certificate"},
		{KEY_DATA, KEY_DATA, "SOURCE: there is a client-key, but no client-certificate"},
		{TOKEN, USERNAME, "SOURCE: a token and a username or password are both given"},
		{TOKEN, PASSWORD, "SOURCE: a token and a username or password are both given"},
		{TOKEN_FILE, USERNAME, "SOURCE: a token and a username or password are both given"},
		{PASSWORD, PASSWORD, "SOURCE: there is a password, but no username"},
		{USERNAME, USERNAME, NULL},
		{USERNAME, PASSWORD, NULL},
		{TOKEN, TOKEN_FILE, NULL},
		{TOKEN, INSECURE, NULL},
		{CERT_DATA, KEY_DATA, NULL},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_cluster_config *config = config_with("https://h");
		char **const fields[] = {&config->ca_file, &config->ca_data, NULL, &config->cert_file,
			&config->cert_data, &config->key_file, &config->key_data, &config->token,
			&config->token_file, &config->username, &config->password};
		const enum field given[] = {cases[i].a, cases[i].b};

		for (size_t j = 0; j < KEV_ARRAY_LEN(given); j++) {
			if (given[j] == INSECURE)
				config->insecure = true;
			else
				set(fields[given[j]], CERTIFICATE KEY);
		}
		/* What is in a token is another test's. */
		if (config->token)
			set(&config->token, "abc");
		assert_check(config, cases[i].text);
	}
}

static void test_check_token(void **state)
{
	static const char *const invalid[] = {"a\n", "a\rb", "\x1b", "\x7f", "a\tb"};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(invalid); i++) {
		struct kev_cluster_config *config = config_with("https://h");

		set(&config->token, invalid[i]);
		assert_check(config, "SOURCE: the token holds a line break or another control character");
	}
}

static void test_check_data(void **state)
{
	struct kev_cluster_config *config = config_with("https://h");
	struct kev_error error;

	(void)state;
	set(&config->ca_data, "x");
	assert_int_equal(kev_cluster_config_check(config, &error), -EINVAL);
	assert_string_equal(error.text,
		"SOURCE: certificate-authority-data holds no certificate (-----BEGIN CERTIFICATE-----)");
	set(&config->ca_data, CERTIFICATE);
	set(&config->cert_data, KEY);
	set(&config->key_data, KEY);
	assert_int_equal(kev_cluster_config_check(config, &error), -EINVAL);
	assert_string_equal(error.text,
		"SOURCE: client-certificate-data holds no certificate (-----BEGIN CERTIFICATE-----)");
	set(&config->cert_data, CERTIFICATE);
	set(&config->key_data, "hunter2");
	assert_int_equal(kev_cluster_config_check(config, &error), -EINVAL);
	assert_string_equal(
		error.text, "SOURCE: client-key-data holds no private key (-----BEGIN PRIVATE KEY-----)");
	set(&config->key_data, KEY);
	assert_check(config, NULL);
}

static void test_check_files(void **state)
{
	char path[] = "/tmp/kevfs-test-XXXXXX";
	int fd = mkstemp(path);
	struct kev_cluster_config *config = config_with("https://h");
	struct kev_error error;
	char expected[200];

	(void)state;
	assert_true(fd >= 0);
	set(&config->ca_file, path);
	assert_int_equal(kev_cluster_config_check(config, &error), -EINVAL);
	snprintf(expected, sizeof(expected),
		"SOURCE: certificate-authority %s holds no certificate (-----BEGIN CERTIFICATE-----)", path);
	assert_string_equal(error.text, expected);
	assert_int_equal(write(fd, CERTIFICATE KEY, strlen(CERTIFICATE KEY)), strlen(CERTIFICATE KEY));
	set(&config->cert_file, path);
	set(&config->key_file, path);
	assert_int_equal(kev_cluster_config_check(config, &error), 0);
	assert_int_equal(ftruncate(fd, KEV_CLUSTER_PEM_MAX + 1), 0);
	assert_int_equal(kev_cluster_config_check(config, &error), -EINVAL);
	snprintf(expected, sizeof(expected), "SOURCE: certificate-authority %s: File too large", path);
	assert_string_equal(error.text, expected);
	close(fd);
	unlink(path);
	snprintf(expected, sizeof(expected), "SOURCE: certificate-authority %s: No such file or directory",
		path);
	assert_check(config, expected);
}

static void test_check_token_file(void **state)
{
	struct kev_cluster_config *config = config_with("https://h");
	struct kev_error error;

	(void)state;
	set(&config->token_file, "/nonexistent");
	assert_int_equal(kev_cluster_config_check(config, &error), -EINVAL);
	assert_string_equal(error.text, "SOURCE: tokenFile /nonexistent: No such file or directory");
	/* What kev_credential does without it, it does with a file that is gone. */
	set(&config->token, "abc");
	assert_int_equal(kev_cluster_config_check(config, &error), 0);
	free(config->token);
	config->token = NULL;
	set(&config->token_file, "/dev/null");
	assert_check(config, "SOURCE: tokenFile /dev/null: Operation not supported");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_destroy),
		cmocka_unit_test(test_is_secure),
		cmocka_unit_test(test_withholds_credential),
		cmocka_unit_test(test_check_server),
		cmocka_unit_test(test_check_credential_over_http),
		cmocka_unit_test(test_check_names),
		cmocka_unit_test(test_check_tls_server_name),
		cmocka_unit_test(test_check_proxy),
		cmocka_unit_test(test_check_combinations),
		cmocka_unit_test(test_check_token),
		cmocka_unit_test(test_check_data),
		cmocka_unit_test(test_check_files),
		cmocka_unit_test(test_check_token_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
