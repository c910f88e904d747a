#include "notation.h"

#include <errno.h>

#include "kevfs/cluster/stanza.h"

/* Read a file written in words; the document stays with the caller. */
static int read_file(const char *notation, struct kev_document **document, struct kev_stanza_file *out,
	struct kev_error *error)
{
	*document = document_of(notation, NULL);
	assert_non_null(*document);
	return kev_stanza_file_read("PATH", "/d", *document, out, error);
}

static void assert_fails(const char *notation, const char *text)
{
	struct kev_stanza_file file = {.path = "untouched"};
	struct kev_error error = {""};
	struct kev_document *document;

	assert_int_equal(read_file(notation, &document, &file, &error), -EINVAL);
	assert_string_equal(error.text, text);
	assert_string_equal(file.path, "untouched");
	kev_document_destroy(document);
}

static void test_file_read(void **state)
{
	struct kev_document *document;
	struct kev_stanza_file file;
	const struct kev_stanza *stanza;

	(void)state;
	assert_int_equal(read_file("{ kind Config apiVersion v1 current-context x\n"
				   "users [ { name b user { token t } }\n"
				   "{ name a } ~ ]\n"
				   "clusters ~ }",
				 &document, &file, NULL),
		0);
	assert_string_equal(file.path, "PATH");
	assert_string_equal(file.directory, "/d");
	assert_str_equal(file.current_context, KEV_STR("x"));
	assert_int_equal(file.clusters.count, 0);
	assert_int_equal(file.contexts.count, 0);
	/* Sorted; the null item has an empty name. */
	assert_int_equal(file.users.count, 3);
	assert_int_equal(file.users.items[0].name.len, 0);
	assert_str_equal(file.users.items[1].name, KEV_STR("a"));
	assert_null(file.users.items[1].body);
	stanza = kev_stanza_find(&file.users, KEV_STR("b"));
	assert_ptr_equal(stanza, &file.users.items[2]);
	assert_int_equal(stanza->line, 2);
	assert_null(kev_stanza_find(&file.users, KEV_STR("c")));
	assert_null(kev_stanza_find(&file.clusters, KEV_STR("b")));
	kev_stanza_file_fini(&file);
	kev_document_destroy(document);
}

static void test_file_read_nothing(void **state)
{
	static const char *const notations[] = {"", "~", "{ }"};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(notations); i++) {
		struct kev_document *document;
		struct kev_stanza_file file;

		assert_int_equal(read_file(notations[i], &document, &file, NULL), 0);
		assert_int_equal(file.contexts.count, 0);
		assert_int_equal(file.current_context.len, 0);
		kev_stanza_file_fini(&file);
		kev_document_destroy(document);
	}
}

static void test_file_read_errors(void **state)
{
	(void)state;
	assert_fails("[ ]", "PATH:1: not a kubeconfig: it is a list, not a mapping");
	assert_fails("5", "PATH:1: not a kubeconfig: it is a number, not a mapping");
	assert_fails("{ kind Pod }",
		"PATH: not a kubeconfig: it says kind \"Pod\", apiVersion \"\", not Config, v1");
	assert_fails("{ apiVersion v2 }",
		"PATH: not a kubeconfig: it says kind \"\", apiVersion \"v2\", not Config, v1");
	assert_fails("{\ncurrent-context 5 }",
		"PATH:2: current-context must be text, not a number: write it in quotes");
	assert_fails("{\n<< 5 }", "PATH:1: a merge key (<<) takes a mapping or a list of mappings");
	assert_fails("{\nusers { } }", "PATH:2: users must be a list, not a mapping");
	assert_fails("{ users [\n[ ] ] }", "PATH:2: an item of users must be a mapping, not a list");
	assert_fails("{ users [ {\nname yes } ] }",
		"PATH:2: name must be text, not a boolean: write it in quotes");
	assert_fails("{ users [ { name a\nuser [ ] } ] }", "PATH:2: user must be a mapping, not a list");
	assert_fails("{ clusters [ { name a } { name b }\n{ name a } ] }",
		"PATH:2: clusters has \"a\" twice, also in line 1");
}

static void test_file_read_field_errors(void **state)
{
	(void)state;
	assert_fails("{ users [ { name u user {\ntoken 5 } } ] }",
		"PATH:2: user \"u\": token must be text, not a number: write it in quotes");
	assert_fails("{ users [ { name u user {\nas-groups x } } ] }",
		"PATH:2: user \"u\": as-groups must be a list, not text");
	assert_fails("{ users [ { name u user {\nas-user-extra [ ] } } ] }",
		"PATH:2: user \"u\": as-user-extra must be a mapping, not a list");
	assert_fails("{ users [ { name u user {\nauth-provider x } } ] }",
		"PATH:2: user \"u\": auth-provider must be a mapping, not text");
	assert_fails("{ users [ { name u user {\nclient-key-data a } } ] }",
		"PATH:2: user \"u\": client-key-data is not valid base64");
	assert_fails("{ clusters [ { name c cluster {\ninsecure-skip-tls-verify x } } ] }",
		"PATH:2: cluster \"c\": insecure-skip-tls-verify must be a boolean, not text");
	assert_fails("{ contexts [ { name x context {\nnamespace yes } } ] }",
		"PATH:2: context \"x\": namespace must be text, not a boolean: write it in quotes");
	/* A field's own line, not its stanza's alias's. */
	assert_fails("{ x &x {\ntoken 5 }\nusers [ { name u user *x } ] }",
		"PATH:2: user \"u\": token must be text, not a number: write it in quotes");
}

static void test_read_cluster(void **state)
{
	struct kev_stanza_cluster cluster = {.insecure = false};
	struct kev_document *document;
	struct kev_stanza_file file;

	(void)state;
	assert_int_equal(
		read_file(
			"{ clusters [ { name c cluster { server s tls-server-name t proxy-url p "
			"certificate-authority f certificate-authority-data Zm9v insecure-skip-tls-verify on "
			"disable-compression true other 5 } } ] }",
			&document, &file, NULL),
		0);
	assert_int_equal(kev_stanza_read_cluster(&file, &file.clusters.items[0], &cluster, NULL), 0);
	assert_str_equal(cluster.server, KEV_STR("s"));
	assert_str_equal(cluster.tls_server_name, KEV_STR("t"));
	assert_str_equal(cluster.proxy_url, KEV_STR("p"));
	assert_str_equal(cluster.ca_file, KEV_STR("f"));
	assert_str_equal(cluster.ca_data, KEV_STR("Zm9v"));
	assert_true(cluster.insecure);
	assert_true(cluster.disable_compression);
	kev_stanza_file_fini(&file);
	kev_document_destroy(document);
}

static void test_read_user(void **state)
{
	struct kev_stanza_user user = {.exec = NULL};
	struct kev_document *document;
	struct kev_stanza_file file;

	(void)state;
	assert_int_equal(
		read_file("{ users [ { name u user { client-certificate a client-certificate-data Zm9v "
			  "client-key b client-key-data YmFy token t tokenFile f username bob password p "
			  "exec { } auth-provider { } } } ] }",
			&document, &file, NULL),
		0);
	assert_int_equal(kev_stanza_read_user(&file, &file.users.items[0], &user, NULL), 0);
	assert_str_equal(user.cert_file, KEV_STR("a"));
	assert_str_equal(user.cert_data, KEV_STR("Zm9v"));
	assert_str_equal(user.key_file, KEV_STR("b"));
	assert_str_equal(user.key_data, KEV_STR("YmFy"));
	assert_str_equal(user.token, KEV_STR("t"));
	assert_str_equal(user.token_file, KEV_STR("f"));
	assert_str_equal(user.username, KEV_STR("bob"));
	assert_str_equal(user.password, KEV_STR("p"));
	assert_non_null(user.exec);
	assert_non_null(user.auth_provider);
	assert_null(user.as_groups);
	kev_stanza_file_fini(&file);
	kev_document_destroy(document);
}

static void test_read_user_impersonation(void **state)
{
	struct kev_stanza_user user = {.exec = NULL};
	struct kev_document *document;
	struct kev_stanza_file file;

	(void)state;
	assert_int_equal(
		read_file("{ users [ { name u user { as a as-uid b as-groups [ c ~ ] as-user-extra { d [ "
			  "e ] f ~ } } } { name v user { as ~ as-uid ~ as-groups ~ as-user-extra ~ } } ] "
			  "}",
			&document, &file, NULL),
		0);
	assert_int_equal(kev_stanza_read_user(&file, &file.users.items[0], &user, NULL), 0);
	assert_str_equal(user.as, KEV_STR("a"));
	assert_str_equal(user.as_uid, KEV_STR("b"));
	assert_str_equal(kev_document_text(kev_document_first(user.as_groups)), KEV_STR("c"));
	assert_str_equal(kev_document_text(kev_document_first(user.as_user_extra)), KEV_STR("d"));
	assert_int_equal(kev_stanza_read_user(&file, &file.users.items[1], &user, NULL), 0);
	assert_int_equal(user.as.len + user.as_uid.len, 0);
	assert_null(user.as_groups);
	assert_null(user.as_user_extra);
	kev_stanza_file_fini(&file);
	kev_document_destroy(document);
}

static void test_read_context(void **state)
{
	struct kev_stanza_context context = {.cluster = {NULL, 0}};
	struct kev_document *document;
	struct kev_stanza_file file;

	(void)state;
	assert_int_equal(
		read_file("{ contexts [ { name x context { cluster c user u namespace ns } } { name z } ] }",
			&document, &file, NULL),
		0);
	assert_int_equal(kev_stanza_read_context(&file, &file.contexts.items[0], &context, NULL), 0);
	assert_str_equal(context.cluster, KEV_STR("c"));
	assert_str_equal(context.user, KEV_STR("u"));
	assert_str_equal(context.namespace_, KEV_STR("ns"));
	/* Without a body all is empty. */
	assert_int_equal(kev_stanza_read_context(&file, &file.contexts.items[1], &context, NULL), 0);
	assert_int_equal(context.cluster.len + context.user.len + context.namespace_.len, 0);
	kev_stanza_file_fini(&file);
	kev_document_destroy(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_read),
		cmocka_unit_test(test_file_read_nothing),
		cmocka_unit_test(test_file_read_errors),
		cmocka_unit_test(test_file_read_field_errors),
		cmocka_unit_test(test_read_cluster),
		cmocka_unit_test(test_read_user),
		cmocka_unit_test(test_read_user_impersonation),
		cmocka_unit_test(test_read_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
