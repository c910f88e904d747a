#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/cluster/service_account.h"

/* Each test stands in a directory of its own, which is the service account's. */
static int enter(void **state)
{
	char *directory = strdup("/tmp/kevfs-test-XXXXXX");

	*state = directory;
	return directory && mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	unlink("token");
	rmdir("token");
	unlink("ca.crt");
	unlink("namespace");
	if (chdir("/") < 0 || rmdir(*state) < 0)
		return -1;
	free(*state);
	return 0;
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void test_is_there(void **state)
{
	struct kev_environment environment = {
		.service_host = "10.0.0.1", .service_port = "443", .service_account_directory = *state};

	assert_false(kev_service_account_is_there(&environment));
	assert_int_equal(mkdir("token", 0700), 0);
	assert_false(kev_service_account_is_there(&environment));
	assert_int_equal(rmdir("token"), 0);
	write_file("token", "abc");
	assert_true(kev_service_account_is_there(&environment));
	environment.service_host = NULL;
	assert_false(kev_service_account_is_there(&environment));
	environment.service_host = "";
	assert_false(kev_service_account_is_there(&environment));
	environment.service_host = "10.0.0.1";
	environment.service_port = NULL;
	assert_false(kev_service_account_is_there(&environment));
	environment.service_port = "443";
	environment.service_account_directory = NULL;
	assert_false(kev_service_account_is_there(&environment));
}

static void test_config(void **state)
{
	const struct kev_environment environment = {
		.service_host = "10.0.0.1", .service_port = "6443", .service_account_directory = *state};
	struct kev_cluster_config *config = NULL;
	char path[64];

	write_file("token", "abc");
	write_file("ca.crt", "-----BEGIN CERTIFICATE-----");
	write_file("namespace", " prod\n");
	assert_int_equal(kev_service_account_config(&environment, &config, NULL), 0);
	assert_string_equal(config->source, "in-cluster");
	assert_string_equal(config->server, "https://10.0.0.1:6443");
	assert_string_equal(config->namespace_, "prod");
	snprintf(path, sizeof(path), "%s/token", (char *)*state);
	assert_string_equal(config->token_file, path);
	snprintf(path, sizeof(path), "%s/ca.crt", (char *)*state);
	assert_string_equal(config->ca_file, path);
	assert_null(config->token);
	kev_cluster_config_destroy(config);
}

/* Nothing but the token: the system's authorities, and no namespace. */
static void test_config_token_only(void **state)
{
	const struct kev_environment environment = {
		.service_host = "fd00::1", .service_port = "443", .service_account_directory = *state};
	struct kev_cluster_config *config = NULL;

	write_file("token", "abc");
	assert_int_equal(kev_service_account_config(&environment, &config, NULL), 0);
	assert_string_equal(config->server, "https://[fd00::1]:443");
	assert_null(config->ca_file);
	assert_null(config->namespace_);
	kev_cluster_config_destroy(config);
}

static void test_config_invalid(void **state)
{
	static const struct {
		const char *host, *port, *text;
	} cases[] = {
		{"10.0.0.1", "http", "its port is not a number from 1 to 65535"},
		{"10.0.0.1", "443/x", "are no host and port"},
		{"a/b", "443", "are no host and port"},
		{"user@host", "443", "a user or a password in it is not supported"},
		{"[::1", "443", "lacks the closing ]"},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		const struct kev_environment environment = {.service_host = cases[i].host,
			.service_port = cases[i].port,
			.service_account_directory = *state};
		struct kev_cluster_config *config = NULL;
		struct kev_error error = {""};
		int r = kev_service_account_config(&environment, &config, &error);

		assert_int_equal(r, -EINVAL);
		assert_non_null(strstr(error.text, cases[i].text));
		assert_true(kev_str_starts(kev_str_c(error.text), KEV_STR("KUBERNETES_SERVICE_HOST and ")));
		assert_null(config);
	}
}

static void test_config_namespace_too_large(void **state)
{
	const struct kev_environment environment = {
		.service_host = "h", .service_port = "443", .service_account_directory = *state};
	struct kev_cluster_config *config = NULL;
	struct kev_error error = {""};
	char text[300];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	write_file("namespace", text);
	assert_int_equal(kev_service_account_config(&environment, &config, &error), -EINVAL);
	assert_non_null(strstr(error.text, "/namespace: File too large"));
	assert_null(config);
}

static void test_config_outside(void **state)
{
	const struct kev_environment environment = {
		.service_port = "443", .service_account_directory = *state};
	struct kev_cluster_config *config = NULL;

	assert_int_equal(kev_service_account_config(&environment, &config, NULL), -ENOENT);
	assert_null(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_is_there, enter, leave),
		cmocka_unit_test_setup_teardown(test_config, enter, leave),
		cmocka_unit_test_setup_teardown(test_config_token_only, enter, leave),
		cmocka_unit_test_setup_teardown(test_config_invalid, enter, leave),
		cmocka_unit_test_setup_teardown(test_config_namespace_too_large, enter, leave),
		cmocka_unit_test_setup_teardown(test_config_outside, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
