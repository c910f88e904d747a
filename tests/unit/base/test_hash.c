#include "../test.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "kevfs/base/hash.h"

/* OpenSSL's SipHash with one compression and three finalization rounds. */
static uint64_t oracle(const struct kev_hash_key *key, const unsigned char *data, size_t len)
{
	unsigned int compression = 1, finalization = 3;
	size_t size = 8;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &compression),
		OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &finalization),
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
	unsigned char out[8];
	uint64_t result = 0;

	assert_int_equal(EVP_MAC_init(context, (const unsigned char *)key, sizeof(*key), params), 1);
	assert_int_equal(EVP_MAC_update(context, data, len), 1);
	assert_int_equal(EVP_MAC_final(context, out, &size, sizeof(out)), 1);
	for (size_t i = 0; i < 8; i++)
		result |= (uint64_t)out[i] << (8 * i);
	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
	return result;
}

static void test_sip13_equals_openssl(void **state)
{
	const struct kev_hash_key key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
	unsigned char data[65];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 37);
	for (size_t len = 0; len <= sizeof(data); len++)
		assert_true(kev_hash_sip13(&key, data, len) == oracle(&key, data, len));
}

static void test_random_key_differs(void **state)
{
	struct kev_hash_key a = kev_hash_random_key(), b = kev_hash_random_key();

	(void)state;
	assert_true(a.k0 != b.k0 || a.k1 != b.k1);
}

static void test_hex128(void **state)
{
	char out[33];

	(void)state;
	kev_hash_hex128(KEV_STR("abc"), out); /* FIPS 180-2, appendix B.1 */
	assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223");
	kev_hash_hex128((struct kev_str){NULL, 0}, out);
	assert_string_equal(out, "e3b0c44298fc1c149afbf4c8996fb924");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sip13_equals_openssl),
		cmocka_unit_test(test_random_key_differs),
		cmocka_unit_test(test_hex128),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
