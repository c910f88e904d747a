#include "../test.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "kevfs/cluster/jwt.h"

/* A token of these claims, between a head and a signature that nobody looks at. */
static struct kev_str make(const char *claims, char out[1024])
{
	char text[768];
	int len = EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)claims, (int)strlen(claims));

	for (int i = 0; i < len; i++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	while (len > 0 && text[len - 1] == '=')
		len--;
	snprintf(out, 1024, "eyJhbGciOiJSUzI1NiJ9.%.*s.c2lnbmF0dXJl", len, text);
	return kev_str_c(out);
}

static void assert_says(const char *claims, int64_t from, int64_t until)
{
	struct kev_jwt jwt = {-1, -1};
	char token[1024];

	assert_int_equal(kev_jwt_read(make(claims, token), &jwt), 0);
	assert_int_equal(jwt.from, from);
	assert_int_equal(jwt.until, until);
}

/* As an API server's own look. */
static void test_read_service_account(void **state)
{
	static const char token[] =
		"eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ."
		"eyJhdWQiOlsiaHR0cHM6Ly9rdWJlcm5ldGVzLmRlZmF1bHQuc3ZjIl0sImV4cCI6MTc5NTc5ODgwMCwiaWF0IjoxNzk1"
		"Nzk1MjAwLCJuYmYiOjE3OTU3OTUyMDAsInN1YiI6InN5c3RlbTpzZXJ2aWNlYWNjb3VudDpkZWZhdWx0OmRlZmF1bHQi"
		"fQ.c2ln";
	struct kev_jwt jwt;

	(void)state;
	assert_int_equal(kev_jwt_read(kev_str_c(token), &jwt), 0);
	assert_int_equal(jwt.from, 1795795200);
	assert_int_equal(jwt.until, 1795798800);
}

static void test_read_what_is_said(void **state)
{
	(void)state;
	assert_says("{\"exp\":1,\"nbf\":2}", 2, 1);
	assert_says("{\"exp\":1795798800.9}", 0, 1795798800);
	assert_says("{\"exp\":1.7957988e9}", 0, 1795798800);
	assert_says("{}", 0, 0);
	assert_says("{\"exp\":253402300799}", 0, 253402300799);
	/* Characters that differ from base64's: '>' and '?' in threes. */
	assert_says("{\"x\":\"~~~>>>???\",\"exp\":7}", 0, 7);
}

/* What is no time is not said. */
static void test_read_nonsense_as_time(void **state)
{
	static const char *const claims[] = {"{\"exp\":-5}", "{\"exp\":0}", "{\"exp\":\"1795798800\"}",
		"{\"exp\":null}", "{\"exp\":{}}", "{\"exp\":1e300}", "{\"exp\":253402300800}",
		"{\"exp\":9223372036854775807}"};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(claims); i++)
		assert_says(claims[i], 0, 0);
}

static void assert_none(struct kev_str token)
{
	struct kev_jwt jwt = {-1, -2};

	assert_int_equal(kev_jwt_read(token, &jwt), -EINVAL);
	assert_int_equal(jwt.from, -1);
	assert_int_equal(jwt.until, -2);
}

static void test_read_other_tokens(void **state)
{
	/* e30 is "{}". */
	static const char *const tokens[] = {"", "secret", ".", "a.b", "..", "a..b", "a.e30=.c", "a.e3+0.c",
		"a.e3/0.c", "a.e30 .c", "a.e.c", "a.e31.c" /* a bit that no byte has */, "a.e2.c" /* "{" */,
		"a.W10.c" /* [] */, "a.MQ.c" /* 1 */, "a.e30e30.c"};
	static const char with_nul[] = "a.e3\0.c";
	char token[1024];
	struct kev_jwt jwt;

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(tokens); i++)
		assert_none(kev_str_c(tokens[i]));
	assert_none(((struct kev_str){with_nul, sizeof(with_nul) - 1}));
	assert_none(make("[1]", token));
	assert_none(make("{\"exp\":", token));
	assert_int_equal(kev_jwt_read(KEV_STR("a.e30.c"), &jwt), 0);
	/* A signature may be missing, or be anything; of what comes behind, there may be more. */
	assert_int_equal(kev_jwt_read(KEV_STR(".e30."), &jwt), 0);
	assert_int_equal(kev_jwt_read(KEV_STR("a.e30.c.d.e"), &jwt), 0);
}

static void test_read_too_long(void **state)
{
	char *token = calloc(1, KEV_JWT_MAX + 1);

	(void)state;
	assert_non_null(token);
	memset(token, 'x', KEV_JWT_MAX + 1);
	memcpy(token, "a.e30.", 6);
	struct kev_jwt jwt;
	assert_int_equal(kev_jwt_read((struct kev_str){token, KEV_JWT_MAX}, &jwt), 0);
	assert_none((struct kev_str){token, KEV_JWT_MAX + 1});
	free(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_service_account),
		cmocka_unit_test(test_read_what_is_said),
		cmocka_unit_test(test_read_nonsense_as_time),
		cmocka_unit_test(test_read_other_tokens),
		cmocka_unit_test(test_read_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
