#include "../nomem.h"
#include "../test.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "kevfs/cluster/plugin_config.h"
#include "kevfs/cluster/plugin_credential.h"

#define HEAD "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" KEV_PLUGIN_V1 "\","

static int parse(const char *text, struct kev_plugin_credential *out, struct kev_error *error)
{
	return kev_plugin_credential_parse(kev_str_c(text), KEV_PLUGIN_V1, out, error);
}

static void test_parse_token(void **state)
{
	struct kev_plugin_credential credential;

	(void)state;
	kev_plugin_credential_init(&credential);
	assert_int_equal(parse(HEAD "\"status\":{\"token\":\"abc.def\"}}", &credential, NULL), 0);
	assert_str_equal(kev_buf_str(&credential.token), KEV_STR("abc.def"));
	assert_int_equal(credential.certificate.len + credential.key.len, 0);
	assert_true(credential.expires == INT64_MAX);
	/* What it held is replaced. */
	assert_int_equal(
		parse("\n " HEAD "\"spec\":{\"interactive\":true},\"x\":[1],\"status\":{\"token\":null,"
		      "\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\",\"expirationTimestamp\":"
		      "\"1970-01-01T00:00:10Z\",\"other\":7}}\n\n",
			&credential, NULL),
		0);
	assert_int_equal(credential.token.len, 0);
	assert_str_equal(kev_buf_str(&credential.certificate), KEV_STR("C"));
	assert_str_equal(kev_buf_str(&credential.key), KEV_STR("K"));
	assert_true(credential.expires == 10 * KEV_NS_PER_SEC);
	kev_plugin_credential_fini(&credential);
	assert_int_equal(kev_plugin_credential_parse(
				 KEV_STR("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" KEV_PLUGIN_V1BETA1
					 "\",\"status\":{\"token\":\"t\"}}"),
				 KEV_PLUGIN_V1BETA1, &credential, NULL),
		0);
	kev_plugin_credential_fini(&credential);
}

static void test_parse_expiry(void **state)
{
	static const struct {
		const char *text;
		int64_t expires;
	} cases[] = {
		{"null", INT64_MAX},
		{"\"2026-11-27T17:00:00Z\"", 1795798800LL * KEV_NS_PER_SEC},
		{"\"2026-11-27T17:00:00.123456789Z\"", 1795798800LL * KEV_NS_PER_SEC},
		{"\"2026-11-27T18:30:00+01:30\"", 1795798800LL * KEV_NS_PER_SEC},
		{"\"2026-11-27T16:00:00-01:00\"", 1795798800LL * KEV_NS_PER_SEC},
		{"\"9999-12-31T23:59:59Z\"", INT64_MAX},
		{"\"0001-01-01T00:00:00Z\"", INT64_MIN},
	};
	static const char *const wrong[] = {"7", "\"\"", "\"tomorrow\"", "\"2026-11-27\"",
		"\"2026-11-27T17:00:00\"", "\"2026-11-27 17:00:00Z\"", "\"2026-13-27T17:00:00Z\"",
		"\"2026-11-27T17:00:00.Z\"", "\"2026-11-27T17:00:00+1:00\"", "\"2026-11-27T17:00:00+24:00\"",
		"\"2026-11-27T17:00:00ZZ\"", "\" 2026-11-27T17:00:00Z\"", "\"+026-11-27T17:00:00Z\"", "{}"};
	struct kev_plugin_credential credential;
	struct kev_error error;
	char text[300];

	(void)state;
	kev_plugin_credential_init(&credential);
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text), HEAD "\"status\":{\"token\":\"t\",\"expirationTimestamp\":%s}}",
			cases[i].text);
		assert_int_equal(parse(text, &credential, NULL), 0);
		assert_true(credential.expires == cases[i].expires);
	}
	credential.expires = 77;
	for (size_t i = 0; i < KEV_ARRAY_LEN(wrong); i++) {
		snprintf(text, sizeof(text), HEAD "\"status\":{\"token\":\"t\",\"expirationTimestamp\":%s}}",
			wrong[i]);
		assert_int_equal(parse(text, &credential, &error), -EINVAL);
		assert_string_equal(error.text, "prints an expirationTimestamp that is no RFC 3339 time");
	}
	assert_int_equal(credential.expires, 77);
	kev_plugin_credential_fini(&credential);
}

static void test_parse_refused(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"", "prints nothing"},
		{" \n\t", "prints nothing"},
		{"hunter2", "prints something that is no JSON object"},
		{"[]", "prints something that is no JSON object"},
		{HEAD "\"status\":{\"token\":\"hunter2\"}", "prints something that is no JSON object"},
		{HEAD "\"status\":{\"token\":\"hunter2\"}} {}", "prints something that is no JSON object"},
		{"{}", "prints an object of kind \"\", not ExecCredential"},
		{"{\"kind\":\"Pod\\u001b[31m\"}",
			"prints an object of kind \"Pod\\x1b[31m\", not ExecCredential"},
		{"{\"kind\":\"ExecCredential\"}",
			"answers in version \"\", but the kubeconfig's apiVersion is " KEV_PLUGIN_V1},
		{"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" KEV_PLUGIN_V1BETA1
		 "\",\"status\":{\"token\":\"hunter2\"}}",
			"answers in version \"" KEV_PLUGIN_V1BETA1
			"\", but the kubeconfig's apiVersion is " KEV_PLUGIN_V1},
		{HEAD "\"spec\":{}}", "prints an ExecCredential without a status"},
		{HEAD "\"status\":\"hunter2\"}", "prints an ExecCredential without a status"},
		{HEAD "\"status\":{}}", "prints neither a token nor a client certificate"},
		{HEAD "\"status\":{\"token\":\"\",\"clientKeyData\":null}}",
			"prints neither a token nor a client certificate"},
		{HEAD "\"status\":{\"token\":7}}", "prints a status whose token is not text"},
		{HEAD "\"status\":{\"clientKeyData\":[\"hunter2\"]}}",
			"prints a status whose clientKeyData is not text"},
		{HEAD "\"status\":{\"clientCertificateData\":\"hunter2\"}}",
			"prints a clientCertificateData without clientKeyData"},
		{HEAD "\"status\":{\"token\":\"t\",\"clientKeyData\":\"hunter2\"}}",
			"prints a clientKeyData without clientCertificateData"},
		{HEAD "\"status\":{\"token\":\"hunter2\\n\"}}",
			"prints a token with a line break or another control character in it"},
		{HEAD "\"status\":{\"token\":\"hunter2\\u0000\"}}", "prints a token with a NUL in it"},
		{HEAD "\"status\":{\"clientCertificateData\":\"\\u0000\",\"clientKeyData\":\"hunter2\"}}",
			"prints a clientCertificateData with a NUL in it"},
	};
	struct kev_plugin_credential credential;

	(void)state;
	kev_plugin_credential_init(&credential);
	kev_buf_append_c(&credential.token, "untouched");
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_error error = {""};

		assert_int_equal(parse(cases[i].text, &credential, &error), -EINVAL);
		assert_string_equal(error.text, cases[i].error);
		assert_str_equal(kev_buf_str(&credential.token), KEV_STR("untouched"));
	}
	kev_plugin_credential_fini(&credential);
}

/* The linker sends each call here (--wrap), so that what is freed can be looked at. */
static const char *secret; /* what nothing that is freed may hold */
static size_t held;        /* how often it did */

void __real_free(void *memory);
void __wrap_free(void *memory);

void __wrap_free(void *memory)
{
	if (memory && secret && memmem(memory, malloc_usable_size(memory), secret, strlen(secret)))
		held++;
	__real_free(memory);
}

static const char full[] =
	HEAD "\"status\":{\"token\":\"hunter2-token\",\"clientCertificateData\":\"hunter2\","
	     "\"clientKeyData\":\"hunter2-\\u00e9\"}}";

static void test_parse_wipes(void **state)
{
	struct kev_plugin_credential credential;
	char *volatile seen;

	(void)state;
	kev_plugin_credential_init(&credential);
	secret = "hunter2";
	held = 0;
	assert_int_equal(parse(full, &credential, NULL), 0);
	kev_plugin_credential_fini(&credential);
	assert_int_equal(held, 0);
	/* That this would have been seen. */
	seen = strdup(secret);
	free(seen);
	assert_int_equal(held, 1);
	secret = NULL;
}

static int parse_full(void *context)
{
	struct kev_plugin_credential credential;
	int r;

	(void)context;
	kev_plugin_credential_init(&credential);
	r = parse(full, &credential, NULL);
	assert_int_equal(credential.token.len, r ? 0 : strlen("hunter2-token"));
	kev_plugin_credential_fini(&credential);
	return r;
}

static void test_parse_no_memory(void **state)
{
	(void)state;
	assert_true(nomem_fail_each(parse_full, NULL) > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_token),
		cmocka_unit_test(test_parse_expiry),
		cmocka_unit_test(test_parse_refused),
		cmocka_unit_test(test_parse_wipes),
		cmocka_unit_test(test_parse_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
