#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "check_report.h"
#include "check_run.h"
#include "check_server.h"
#include "check_skew.h"

#define S KEV_NS_PER_SEC

/* ---- is it a check? ---- */

static bool is_meant(const char *first, const char *second)
{
	char name[] = "kevfs", a[64], b[64];
	char *argv[] = {name, a, b, NULL};

	snprintf(a, sizeof(a), "%s", first ? first : "");
	snprintf(b, sizeof(b), "%s", second ? second : "");
	return kev_check_is_meant(first ? second ? 3 : 2 : 1, argv);
}

static void test_is_meant(void **state)
{
	(void)state;
	assert_false(is_meant(NULL, NULL));
	assert_true(is_meant("check", NULL));
	assert_true(is_meant("check", "prod"));
	assert_true(is_meant("check", "-"));
	assert_true(is_meant("check", "--help"));
	assert_false(is_meant("prod", "check"));
	assert_false(is_meant("--", "check"));
	assert_false(is_meant("-f", "check"));
	assert_false(is_meant("checks", "prod"));
	/* OpenShift's contexts may be called like that. */
	assert_true(is_meant("check", "/api-example-com:6443/admin"));
	assert_true(is_meant("check", "/dev/null"));
	/* What mount(8) says of a context that is called check. */
	assert_false(is_meant("check", "/"));
	assert_false(is_meant("check", "/tmp"));
	assert_false(is_meant("check", "/dev/fd/7"));
}

/* ---- lines ---- */

struct written {
	char *text;
	size_t len;
	FILE *file;
	struct kev_check_report report;
};

static void begin(struct written *written, bool json)
{
	written->file = open_memstream(&written->text, &written->len);
	assert_non_null(written->file);
	kev_check_report_init(&written->report, written->file, json);
}

static void assert_written(struct written *written, const char *text)
{
	fclose(written->file);
	assert_string_equal(written->text, text);
	free(written->text);
}

static void test_report_lines(void **state)
{
	struct written written;

	(void)state;
	begin(&written, false);
	kev_check_ok(&written.report, "name", "%s is fine", "it");
	assert_int_equal(written.report.exit, 0);
	kev_check_warn(&written.report, "clock", "set it", "slow");
	assert_int_equal(written.report.exit, 0);
	kev_check_fail(&written.report, KEV_CHECK_TLS, "TLS", NULL, "no");
	kev_check_fail(&written.report, KEV_CHECK_LOCAL, "state", "mkdir", "also no");
	/* The first that failed. */
	assert_int_equal(written.report.exit, 5);
	assert_written(&written, "ok       name          it is fine\n"
				 "warning  clock         slow; set it\n"
				 "failed   TLS           no\n"
				 "failed   state         also no; mkdir\n");
}

static void test_report_json(void **state)
{
	struct written written;

	(void)state;
	begin(&written, true);
	kev_check_ok(&written.report, "a", "x");
	kev_check_fail(&written.report, KEV_CHECK_NAME, "b", "do \"y\"", "c:\\d");
	assert_written(&written,
		"{\"check\":\"a\",\"result\":\"ok\",\"found\":\"x\"}\n"
		"{\"check\":\"b\",\"result\":\"failed\",\"found\":\"c:\\\\d\",\"next\":\"do \\\"y\\\"\"}\n");
}

/* Nothing that a server says moves a cursor, begins a line, or fills the terminal. */
static void test_report_hostile(void **state)
{
	struct written written;
	char *flood = malloc(100001);

	(void)state;
	assert_non_null(flood);
	memset(flood, 'x', 100000);
	flood[100000] = '\0';
	begin(&written, false);
	kev_check_warn(&written.report, "a", "\x1b[2J", "b\nok c\r\xff\x1b]0;t\a");
	kev_check_ok(&written.report, "flood", "%s", flood);
	fclose(written.file);
	assert_true(
		strncmp(written.text, "warning  a             b\\x0aok c\\x0d\\xff\\x1b]0;t\\x07; \\x1b[2J\n",
			strlen("warning  a             b\\x0aok c\\x0d\\xff\\x1b]0;t\\x07; \\x1b[2J\n")) ==
		0);
	assert_true(written.len < 5000);
	assert_int_equal(written.text[written.len - 1], '\n');
	free(written.text);
	free(flood);
	begin(&written, true);
	kev_check_ok(&written.report, "a", "\x1b\n\xff\"");
	assert_written(
		&written, "{\"check\":\"a\",\"result\":\"ok\",\"found\":\"\\\\x1b\\\\x0a\\\\xff\\\"\"}\n");
}

/* The numbers are promised: see kevfs-check(8). */
static void test_exit_codes(void **state)
{
	(void)state;
	assert_int_equal(KEV_CHECK_FINE, 0);
	assert_int_equal(KEV_CHECK_USAGE, 1);
	assert_int_equal(KEV_CHECK_CONFIG, 2);
	assert_int_equal(KEV_CHECK_NAME, 3);
	assert_int_equal(KEV_CHECK_CONNECTION, 4);
	assert_int_equal(KEV_CHECK_TLS, 5);
	assert_int_equal(KEV_CHECK_SERVER, 6);
	assert_int_equal(KEV_CHECK_CREDENTIAL, 7);
	assert_int_equal(KEV_CHECK_PERMISSION, 8);
	assert_int_equal(KEV_CHECK_LOCAL, 9);
	assert_int_equal(KEV_CHECK_FILE, 10);
	assert_int_equal(KEV_CHECK_INTERNAL, 11);
}

/* ---- which stage failed ---- */

static void assert_stage(
	int error, struct kev_peer peer, bool secure, const char *why, enum kev_check_exit expected)
{
	struct kev_check_answer answer = {.error = error, .peer = peer};

	kev_error_set(&answer.why, "%s", why);
	assert_int_equal(kev_check_stage(&answer, secure), expected);
}

static void test_stage(void **state)
{
	const struct kev_peer none = {.port = 0}, named = {.resolved = 1},
			      connected = {.resolved = 1, .reached = true},
			      proxied = {.resolved = 1, .reached = true, .proxy_status = 403},
			      secured = {.resolved = 1, .reached = true, .secured = 3};

	(void)state;
	assert_stage(-EHOSTUNREACH, none, true, "", KEV_CHECK_NAME);
	assert_stage(-EHOSTUNREACH, named, true, "", KEV_CHECK_CONNECTION);
	assert_stage(-ECONNREFUSED, none, true, "", KEV_CHECK_CONNECTION);
	assert_stage(-ETIMEDOUT, named, true, "", KEV_CHECK_CONNECTION);
	assert_stage(-EPROTO, proxied, true, "", KEV_CHECK_CONNECTION);
	assert_stage(-EKEYREJECTED, connected, true, "", KEV_CHECK_TLS);
	assert_stage(-ETIMEDOUT, connected, true, "", KEV_CHECK_SERVER);
	assert_stage(-ECONNRESET, connected, true, "", KEV_CHECK_TLS);
	assert_stage(-EPROTO, connected, true, "alert handshake failure", KEV_CHECK_TLS);
	assert_stage(-EPROTO, secured, true, "sslv3 alert bad certificate", KEV_CHECK_CREDENTIAL);
	assert_stage(-EPROTO, secured, true, "no HTTP", KEV_CHECK_SERVER);
	assert_stage(-ETIMEDOUT, secured, true, "", KEV_CHECK_SERVER);
	assert_stage(-ETIMEDOUT, connected, false, "", KEV_CHECK_SERVER);
	assert_stage(-EPROTO, connected, false, "an alert sound", KEV_CHECK_SERVER);
	/* The credential could not be had. */
	assert_stage(-ENOENT, none, true, "", KEV_CHECK_CREDENTIAL);
	assert_stage(-EINVAL, none, true, "", KEV_CHECK_CREDENTIAL);
	assert_stage(-ENOMEM, none, true, "", KEV_CHECK_INTERNAL);
}

/* ---- clocks ---- */

/* What is told is in whole seconds: what lies within says nothing. */
static void test_skew_agrees(void **state)
{
	struct kev_check_skew skew = {.known = false};

	(void)state;
	assert_int_equal(kev_check_skew_least(&skew), 0);
	kev_check_skew_add(&skew, 100 * S, 100 * S + 999, 0);
	assert_false(skew.known);
	kev_check_skew_add(&skew, 100 * S + S / 2, 100 * S + S / 2 + 1000, 100);
	assert_true(skew.known);
	assert_int_equal(kev_check_skew_least(&skew), 0);
	assert_int_equal(skew.low, -S / 2 - 1000);
	assert_int_equal(skew.high, S / 2);
}

static void test_skew_ahead_and_behind(void **state)
{
	struct kev_check_skew skew = {.known = false};

	(void)state;
	kev_check_skew_add(&skew, 100 * S, 100 * S + S / 10, 160);
	assert_int_equal(kev_check_skew_least(&skew), 60 * S - S / 10);
	skew = (struct kev_check_skew){.known = false};
	kev_check_skew_add(&skew, 100 * S, 100 * S + S / 10, 40);
	assert_int_equal(kev_check_skew_least(&skew), -59 * S);
}

/* An answer that took long says little: the date may be from any moment of it. */
static void test_skew_round_trip(void **state)
{
	struct kev_check_skew skew = {.known = false};

	(void)state;
	kev_check_skew_add(&skew, 100 * S, 130 * S, 128);
	assert_int_equal(kev_check_skew_least(&skew), 0);
	/* A quick one says more, and one that says less takes nothing back. */
	kev_check_skew_add(&skew, 140 * S, 140 * S + 1, 160);
	assert_int_equal(kev_check_skew_least(&skew), 20 * S - 1);
	kev_check_skew_add(&skew, 100 * S, 150 * S, 160);
	assert_int_equal(kev_check_skew_least(&skew), 20 * S - 1);
}

/* A clock that is set meanwhile: what is newest counts. */
static void test_skew_contradiction(void **state)
{
	struct kev_check_skew skew = {.known = false};

	(void)state;
	kev_check_skew_add(&skew, 100 * S, 100 * S + 1, 200);
	kev_check_skew_add(&skew, 101 * S, 101 * S + 1, 101);
	assert_int_equal(kev_check_skew_least(&skew), 0);
	/* What no clock tells, and a time that ran backwards, change nothing. */
	kev_check_skew_add(&skew, 101 * S, 101 * S + 1, INT64_MAX);
	kev_check_skew_add(&skew, 101 * S, 101 * S + 1, -1);
	kev_check_skew_add(&skew, 102 * S, 101 * S, 500);
	assert_int_equal(kev_check_skew_least(&skew), 0);
}

/* ---- words ---- */

static void test_span(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} spans[] = {{0, "0.0 ms"}, {1500000, "1.5 ms"}, {S, "1 second"}, {90 * S, "90 seconds"},
		{120 * S, "2 minutes"}, {7199 * S, "119 minutes"}, {7200 * S, "2 hours"},
		{172799 * S, "47 hours"}, {172800 * S, "2 days"}, {INT64_MAX, "106751 days"}};
	char text[KEV_CHECK_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(spans); i++)
		assert_string_equal(kev_check_span(spans[i].ns, text), spans[i].text);
}

static void test_date(void **state)
{
	char text[KEV_CHECK_TIME_SIZE];

	(void)state;
	assert_string_equal(kev_check_date(1795798800, text), "2026-11-27 17:00 UTC");
	assert_string_equal(kev_check_date(253402300799, text), "9999-12-31 23:59 UTC");
	assert_string_equal(kev_check_date(INT64_MAX, text), "?");
}

/* ---- what may hang ---- */

static int return_it(void *context)
{
	return *(int *)context;
}

/* Nobody ever writes into it. */
static int hang(void *context)
{
	char byte;

	return read(*(int *)context, &byte, 1) == 1 ? 0 : -EIO;
}

static void test_bounded(void **state)
{
	struct kev_check check = {.clock = kev_clock_system()};
	static int value = -ENOSPC, ends[2];

	(void)state;
	check.deadline = kev_clock_monotonic(check.clock) + 30 * S;
	assert_int_equal(kev_check_bounded(&check, 10, return_it, &value), -ENOSPC);
	assert_false(check.abandoned);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(kev_check_bounded(&check, 1, hang, &ends[0]), -ETIMEDOUT);
	assert_true(check.abandoned);
	/* It ends after all, and cleans up after itself. */
	assert_int_equal(write(ends[1], "x", 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_meant),
		cmocka_unit_test(test_report_lines),
		cmocka_unit_test(test_report_json),
		cmocka_unit_test(test_report_hostile),
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_stage),
		cmocka_unit_test(test_skew_agrees),
		cmocka_unit_test(test_skew_ahead_and_behind),
		cmocka_unit_test(test_skew_round_trip),
		cmocka_unit_test(test_skew_contradiction),
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
