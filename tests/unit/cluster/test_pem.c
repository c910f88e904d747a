#include "../test.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/cluster/pem.h"

static void test_decode_base64_valid(void **state)
{
	static const struct {
		const char *text;
		struct kev_str data;
	} cases[] = {
		/* RFC 4648 section 10. */
		{"", KEV_STR("")},
		{"Zg==", KEV_STR("f")},
		{"Zm8=", KEV_STR("fo")},
		{"Zm9v", KEV_STR("foo")},
		{"Zm9vYg==", KEV_STR("foob")},
		{"Zm9vYmE=", KEV_STR("fooba")},
		{"Zm9vYmFy", KEV_STR("foobar")},
		{"+/+/", KEV_STR("\xfb\xff\xbf")},
		{"AAAA", KEV_STR("\0\0\0")},
		/* Go's decoder skips line breaks anywhere, and does not look at the bits that padding leaves
		   over. */
		{"Zm9\r\nv\n", KEV_STR("foo")},
		{"Zg=\n=", KEV_STR("f")},
		{"\n", KEV_STR("")},
		{"Zh==", KEV_STR("f")},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		char *data = NULL;
		size_t len = 99;

		assert_int_equal(kev_pem_decode_base64(kev_str_c(cases[i].text), &data, &len), 0);
		assert_str_equal(((struct kev_str){data, len}), cases[i].data);
		assert_int_equal(data[len], '\0');
		free(data);
	}
}

static void test_decode_base64_invalid(void **state)
{
	static const struct kev_str cases[] = {
		KEV_STR("Z"),
		KEV_STR("Zg"),
		KEV_STR("Zg="),
		KEV_STR("Zm9vY"),
		KEV_STR("Zg==="),
		KEV_STR("===="),
		KEV_STR("Z==="),
		KEV_STR("Zg==Zg=="),
		KEV_STR("Zm=v"),
		KEV_STR("Zm9v "),
		KEV_STR("Zm\t9v"),
		KEV_STR("Zm-v"),
		KEV_STR("Zm_v"),
		KEV_STR("Zm9\0"),
		KEV_STR("Zm9\xc3"),
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		char *data = NULL;
		size_t len = 99;

		assert_int_equal(kev_pem_decode_base64(cases[i], &data, &len), -EINVAL);
		assert_null(data);
		assert_int_equal(len, 99);
	}
}

static void test_check_certificate(void **state)
{
	(void)state;
	assert_null(kev_pem_check_certificate(KEV_STR("a\n-----BEGIN CERTIFICATE-----\nMAo=\n")));
	assert_string_equal(
		kev_pem_check_certificate(KEV_STR("")), "holds no certificate (-----BEGIN CERTIFICATE-----)");
	assert_non_null(kev_pem_check_certificate(KEV_STR("-----BEGIN CERTIFICATE----")));
	assert_non_null(kev_pem_check_certificate(KEV_STR("-----BEGIN CERTIFICATE REQUEST-----")));
	assert_non_null(kev_pem_check_certificate(KEV_STR("-----BEGIN PRIVATE KEY-----")));
	assert_non_null(kev_pem_check_certificate((struct kev_str){NULL, 0}));
}

static void test_check_key(void **state)
{
	(void)state;
	assert_null(kev_pem_check_key(KEV_STR("-----BEGIN PRIVATE KEY-----\n")));
	assert_null(kev_pem_check_key(KEV_STR("-----BEGIN RSA PRIVATE KEY-----\n")));
	assert_null(kev_pem_check_key(
		KEV_STR("-----BEGIN EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n")));
	assert_string_equal(kev_pem_check_key(KEV_STR("-----BEGIN CERTIFICATE-----\n")),
		"holds no private key (-----BEGIN PRIVATE KEY-----)");
	assert_non_null(kev_pem_check_key(KEV_STR("-----BEGIN PUBLIC KEY-----\n")));
	assert_string_equal(kev_pem_check_key(KEV_STR("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")),
		"holds an encrypted key, for which there is no way to ask for the passphrase");
	assert_string_equal(
		kev_pem_check_key(KEV_STR("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n")),
		"holds an encrypted key, for which there is no way to ask for the passphrase");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_base64_valid),
		cmocka_unit_test(test_decode_base64_invalid),
		cmocka_unit_test(test_check_certificate),
		cmocka_unit_test(test_check_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
