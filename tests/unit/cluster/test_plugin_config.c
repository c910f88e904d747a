#include "../test.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/cluster/config.h"
#include "kevfs/cluster/plugin_config.h"
#include "kevfs/cluster/plugin_info.h"

/* What kubeconfig/exec-… do not show: the environment, and the bounds. */

static void test_environment(void **state)
{
	char *const ours[] = {(char[]){"HOME=/root"}, (char[]){"A=ours"}, (char[]){"AB=ours"},
		(char[]){"PATH=/ours"}, (char[]){"=C:=x"}, (char[]){"nonsense"},
		(char[]){"KUBERNETES_EXEC_INFO=ours"}, (char[]){"E="}, NULL};
	static const char *const expected[] = {
		"HOME=/root", "A=its=2", "AB=ours", "PATH=/its", "KUBERNETES_EXEC_INFO={}", "E="};
	char a1[] = "A=its=1", a2[] = "A=its=2", info[] = "{}";
	char *env[] = {a1, a2, NULL}, **environment = NULL;
	const struct kev_plugin_config config = {.env = env, .info = info};

	(void)state;
	assert_int_equal(kev_plugin_environment(&config, ours, "/its", &environment), 0);
	for (size_t i = 0; i < KEV_ARRAY_LEN(expected); i++)
		assert_string_equal(environment[i], expected[i]);
	assert_null(environment[KEV_ARRAY_LEN(expected)]);
	kev_plugin_environment_free(environment);
	kev_plugin_environment_free(NULL);
}

/* What the kubeconfig says of PATH is for the plugin, as by kubectl. */
static void test_environment_of_nothing(void **state)
{
	char *const ours[] = {NULL};
	char path[] = "PATH=/own", info[] = "{}";
	char *env[] = {path, NULL}, **environment = NULL;
	const struct kev_plugin_config config = {.env = env, .info = info};

	(void)state;
	assert_int_equal(kev_plugin_environment(&config, ours, "/its", &environment), 0);
	assert_string_equal(environment[0], "PATH=/own");
	assert_string_equal(environment[1], "KUBERNETES_EXEC_INFO={}");
	assert_null(environment[2]);
	kev_plugin_environment_free(environment);
}

/* An authority of so many bytes. @return what the variable takes, or the error */
static long print_with(size_t bytes, struct kev_error *error)
{
	char server[] = "https://h", version[] = KEV_PLUGIN_V1, *out = NULL;
	const struct kev_plugin_config plugin = {.api_version = version};
	char *authority = malloc(bytes + 1);
	struct kev_cluster_config config = {.server = server, .ca_data = authority};
	const struct kev_plugin_cluster cluster = {.config = &config};
	long r;

	assert_non_null(authority);
	memset(authority, 'x', bytes);
	authority[bytes] = '\0';
	r = kev_plugin_info_print(&plugin, &cluster, &out, error);
	if (r)
		assert_null(out);
	else
		r = (long)(strlen("KUBERNETES_EXEC_INFO=") + strlen(out) + 1);
	free(out);
	free(authority);
	return r;
}

static void test_info_too_large(void **state)
{
	struct kev_error error = {""};
	size_t most;

	(void)state;
	most = 3 + (131072 - (size_t)print_with(3, NULL)) / 4 * 3;
	assert_in_range(print_with(most, NULL), 131072 - 3, 131072);
	assert_int_equal(print_with(most + 1, &error), -EINVAL);
	assert_non_null(strstr(error.text, "KUBERNETES_EXEC_INFO has 131"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_environment_of_nothing),
		cmocka_unit_test(test_info_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
