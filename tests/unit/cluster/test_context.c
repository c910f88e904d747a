#include "notation.h"

#include <errno.h>
#include <stdio.h>

#include "kevfs/cluster/context.h"

/* The config of context x, cluster c and user u of a file in directory /d. */
static int config_of(
	const char *notation, bool with_user, struct kev_cluster_config **out, struct kev_error *error)
{
	struct kev_document *document = document_of(notation, NULL);
	struct kev_context context = {.name = KEV_STR("x")};
	struct kev_stanza_file file;
	int r;

	assert_non_null(document);
	assert_int_equal(kev_stanza_file_read("PATH", "/d", document, &file, NULL), 0);
	context.context = (struct kev_context_part){&file, kev_stanza_find(&file.contexts, KEV_STR("x"))};
	context.cluster = (struct kev_context_part){&file, kev_stanza_find(&file.clusters, KEV_STR("c"))};
	if (with_user)
		context.user = (struct kev_context_part){&file, kev_stanza_find(&file.users, KEV_STR("u"))};
	r = kev_context_config(&context, out, error);
	kev_stanza_file_fini(&file);
	kev_document_destroy(document);
	return r;
}

static void test_config_of_everything(void **state)
{
	struct kev_cluster_config *config = NULL;

	(void)state;
	assert_int_equal(
		config_of("{ contexts [ { name x context { namespace ns } } ] "
			  "clusters [ { name c cluster { server https://h/ certificate-authority ca "
			  "certificate-authority-data Zm9v tls-server-name t proxy-url http://p/ "
			  "insecure-skip-tls-verify yes disable-compression yes } } ] "
			  "users [ { name u user { client-certificate ../c client-key /k "
			  "client-certificate-data Zm9v "
			  "client-key-data YmFy token t tokenFile a/./f username bob password p } } ] }",
			true, &config, NULL),
		0);
	assert_string_equal(config->source, "context x");
	assert_string_equal(config->server, "https://h");
	assert_string_equal(config->namespace_, "ns");
	assert_string_equal(config->ca_file, "/d/ca");
	assert_string_equal(config->ca_data, "foo");
	assert_string_equal(config->tls_server_name, "t");
	assert_string_equal(config->proxy_url, "http://p");
	assert_true(config->insecure);
	assert_true(config->disable_compression);
	assert_string_equal(config->cert_file, "/c");
	assert_string_equal(config->cert_data, "foo");
	assert_string_equal(config->key_file, "/k");
	assert_string_equal(config->key_data, "bar");
	assert_string_equal(config->token, "t");
	assert_string_equal(config->token_file, "/d/a/f");
	assert_string_equal(config->username, "bob");
	assert_string_equal(config->password, "p");
	kev_cluster_config_destroy(config);
}

static void test_config_of_nothing(void **state)
{
	struct kev_cluster_config *config = NULL;

	(void)state;
	assert_int_equal(config_of("{ contexts [ { name x } ] clusters [ { name c cluster { server h "
				   "certificate-authority ~ } } ] }",
				 false, &config, NULL),
		0);
	assert_string_equal(config->server, "http://h");
	assert_null(config->namespace_);
	assert_null(config->ca_file);
	assert_null(config->token);
	assert_null(config->username);
	assert_false(config->insecure);
	kev_cluster_config_destroy(config);
}

static void assert_fails(const char *cluster, const char *user, const char *text)
{
	struct kev_cluster_config *config = NULL;
	struct kev_error error = {""};
	char *notation;

	assert_true(asprintf(&notation,
			    "{ contexts [ { name x } ]\nclusters [ { name c cluster { %s } } ]\n"
			    "users [ { name u user { %s } } ] }",
			    cluster, user) > 0);
	assert_int_equal(config_of(notation, true, &config, &error), -EINVAL);
	assert_string_equal(error.text, text);
	assert_null(config);
	free(notation);
}

static void test_config_refused(void **state)
{
	(void)state;
	assert_fails("", "", "PATH:2: cluster \"c\": has no server");
	assert_fails("server ftp://h", "",
		"PATH:2: cluster \"c\": server: \"ftp://h\": its scheme is neither http nor https");
	assert_fails("server h proxy-url ftp://h", "",
		"PATH:2: cluster \"c\": proxy-url: \"ftp://h\": its scheme is none of http, https and "
		"socks5");
	assert_fails("server h certificate-authority-data AAAA", "",
		"PATH:2: cluster \"c\": certificate-authority-data is not PEM: it holds a NUL");
	assert_fails("server h", "as-groups [ root ]",
		"PATH:3: user \"u\": as-uid, as-groups and as-user-extra need a user to act as (as)");
	assert_fails("server h", "token t auth-provider { }",
		"PATH:3: user \"u\": auth-provider is not supported: let an exec plugin (exec) log in "
		"instead");
	assert_fails("server h", "exec { }", "PATH:3: user \"u\": exec: there is no command");
	assert_fails("server h", "token t exec { }", "PATH:3: user \"u\": exec: there is no command");
	assert_fails("server https://h certificate-authority /nonexistent",
		"exec { command c apiVersion client.authentication.k8s.io/v1beta1 provideClusterInfo yes }",
		"PATH:3: user \"u\": certificate-authority /nonexistent: No such file or directory");
}

static void test_config_exec(void **state)
{
	static const struct {
		const char *user;
		bool needed;
	} cases[] = {
		{"token t", false},
		{"tokenFile t", false},
		{"username bob", false},
		{"client-certificate a client-key b", false},
		{"client-certificate-data Zm9v client-key b", false},
		{"", true},
		/* A certificate without its key, or a password without a name, is no credential. */
		{"client-certificate a", true},
		{"password a", true},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_cluster_config *config = NULL;
		char *notation;

		assert_true(asprintf(&notation,
				    "{ contexts [ { name x } ] clusters [ { name c cluster { server h } } ] "
				    "users [ { name u user { exec { command c apiVersion "
				    "client.authentication.k8s.io/v1beta1 } %s } } ] }",
				    cases[i].user) > 0);
		assert_int_equal(config_of(notation, true, &config, NULL), 0);
		assert_int_equal(config->plugin != NULL, cases[i].needed);
		kev_cluster_config_destroy(config);
		free(notation);
	}
}

/* Text with a NUL would be cut where a C string ends. */
static void test_config_nul(void **state)
{
	const struct kev_document_scalar scalar = {KEV_STR("a\0b"), KEV_STR(""), false};
	static const char *const names[] = {"tls-server-name", "certificate-authority"};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(names); i++) {
		struct kev_document *document = document_of("{ server h", NULL);
		const struct kev_document_scalar key = {kev_str_c(names[i]), KEV_STR(""), true};
		const struct kev_stanza stanza = {KEV_STR("c"), kev_document_root(document), 7};
		const struct kev_stanza context_stanza = {KEV_STR("x"), NULL, 1};
		const struct kev_stanza_file file = {.path = "PATH", .directory = "/d", .document = document};
		const struct kev_context context = {
			KEV_STR("x"), {&file, &context_stanza}, {&file, &stanza}, {NULL, NULL}};
		struct kev_cluster_config *config = NULL;
		struct kev_error error = {""};
		char expected[100];

		assert_int_equal(kev_document_add_scalar(document, &key, KEV_STR(""), 1, NULL), 0);
		assert_int_equal(kev_document_add_scalar(document, &scalar, KEV_STR(""), 1, NULL), 0);
		assert_int_equal(kev_context_config(&context, &config, &error), -EINVAL);
		snprintf(expected, sizeof(expected), "PATH:7: cluster \"c\": %s holds a NUL", names[i]);
		assert_string_equal(error.text, expected);
		assert_null(config);
		kev_document_destroy(document);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_of_everything),
		cmocka_unit_test(test_config_of_nothing),
		cmocka_unit_test(test_config_refused),
		cmocka_unit_test(test_config_exec),
		cmocka_unit_test(test_config_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
