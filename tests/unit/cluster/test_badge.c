#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "kevfs/base/defs.h"
#include "kevfs/cluster/badge.h"
#include "server.h"

/* What certificates and credentials say of themselves, for people. */

static void test_certificate_read(void **state)
{
	struct certificate ca, server, expired;
	struct kev_certificate found;
	int64_t now = time(NULL);

	(void)state;
	certificate_make(&ca, NULL, NULL, 10);
	certificate_make(&server, &ca, "DNS:kubernetes.default.svc,IP:127.0.0.1", 3);
	certificate_make(&expired, &ca, NULL, -2);
	assert_int_equal(kev_certificate_read(kev_str_c(server.certificate), &found), 0);
	assert_string_equal(found.names, "DNS:kubernetes.default.svc, IP Address:127.0.0.1");
	assert_true(strncmp(found.subject, "CN=", 3) == 0);
	assert_true(found.from <= now);
	assert_true(found.until > now + 2 * 86400 && found.until <= now + 3 * 86400 + 60);
	assert_int_equal(kev_certificate_read(kev_str_c(expired.certificate), &found), 0);
	assert_string_equal(found.names, "");
	assert_true(found.until < now - 86400);
	certificate_fini(&ca);
	certificate_fini(&server);
	certificate_fini(&expired);
}

static void test_certificate_read_none(void **state)
{
	static const char *const texts[] = {"", "nonsense",
		"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"};
	struct kev_certificate found = {.until = -7};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(texts); i++)
		assert_int_equal(kev_certificate_read(kev_str_c(texts[i]), &found), -EINVAL);
	assert_int_equal(found.until, -7);
}

/* Names that do not fit are cut, and say so. */
static void test_certificate_read_many_names(void **state)
{
	struct certificate ca;
	struct kev_certificate found;
	char names[2048] = "DNS:a0.example.com";

	(void)state;
	for (int i = 1; i < 60; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), ",DNS:a%d.example.com", i);
	certificate_make(&ca, NULL, names, 10);
	assert_int_equal(kev_certificate_read(kev_str_c(ca.certificate), &found), 0);
	assert_true(strlen(found.names) < sizeof(found.names));
	assert_true(strlen(found.names) > sizeof(found.names) - 8);
	assert_string_equal(found.names + strlen(found.names) - 3, "...");
	certificate_fini(&ca);
}

static void test_badge_read(void **state)
{
	struct certificate user;
	struct kev_badge badge;

	(void)state;
	certificate_make(&user, NULL, NULL, 10);
	assert_int_equal(kev_badge_read(KEV_STR(""), KEV_STR(""), &badge), 0);
	assert_false(badge.has_certificate);
	assert_int_equal(badge.header, KEV_BADGE_NOTHING);
	/* {"exp":7} */
	assert_int_equal(kev_badge_read(KEV_STR("Authorization: Bearer a.eyJleHAiOjd9.c"),
				 kev_str_c(user.certificate), &badge),
		0);
	assert_true(badge.has_certificate);
	assert_true(badge.certificate.until > 0);
	assert_int_equal(badge.header, KEV_BADGE_TOKEN);
	assert_int_equal(badge.token.until, 7);
	/* Any text may be a token. */
	assert_int_equal(kev_badge_read(KEV_STR("Authorization: Bearer secret"), KEV_STR("x"), &badge), 0);
	assert_false(badge.has_certificate);
	assert_int_equal(badge.header, KEV_BADGE_TOKEN);
	assert_int_equal(badge.token.until, 0);
	assert_int_equal(kev_badge_read(KEV_STR("Authorization: Basic eDp5"), KEV_STR(""), &badge), 0);
	assert_int_equal(badge.header, KEV_BADGE_PASSWORD);
	certificate_fini(&user);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificate_read),
		cmocka_unit_test(test_certificate_read_none),
		cmocka_unit_test(test_certificate_read_many_names),
		cmocka_unit_test(test_badge_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
