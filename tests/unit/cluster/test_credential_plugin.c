#include "plugin_script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "kevfs/cluster/credential.h"

/* When a plugin is run, and when it is not: a script that counts its runs, over a clock that a test moves. */

#define SECOND KEV_NS_PER_SEC

struct fixture {
	struct plugin_script script;
	char directory[32], runs[48], answer[48], server[16];
	int64_t now;
	struct kev_clock clock;
	struct kev_cluster_config config;
	struct kev_credential *credential;
	struct kev_buf header;
	struct kev_error error;
};

static int64_t now(void *context)
{
	return *(int64_t *)context;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* What the next runs print. */
static void prints(const struct fixture *f, const char *status)
{
	char text[400];

	snprintf(text, sizeof(text), PLUGIN_HEAD "\"status\":{%s}}", status);
	write_file(f->answer, text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char script[200];

	*state = f;
	if (!f)
		return -1;
	memcpy(f->directory, "/tmp/kevfs-test-XXXXXX", sizeof("/tmp/kevfs-test-XXXXXX"));
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->runs, sizeof(f->runs), "%s/runs", f->directory);
	snprintf(f->answer, sizeof(f->answer), "%s/answer", f->directory);
	write_file(f->runs, "");
	snprintf(script, sizeof(script), "printf x >>%s; exec cat %s", f->runs, f->answer);
	plugin_script_start(&f->script, script);
	f->now = 1000 * SECOND;
	f->clock = (struct kev_clock){now, now, now, &f->now};
	memcpy(f->server, "https://h", sizeof("https://h"));
	f->config = (struct kev_cluster_config){
		.server = f->server, .plugin = &f->script.config, .helper = f->script.helper};
	kev_buf_init(&f->header, 1000);
	f->credential = kev_credential_create(&f->config, &f->clock);
	return f->credential ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kev_credential_destroy(f->credential);
	plugin_script_end(&f->script);
	kev_buf_wipe(&f->header);
	unlink(f->runs);
	unlink(f->answer);
	if (rmdir(f->directory) < 0)
		return -1;
	free(f);
	return 0;
}

static void assert_runs(const struct fixture *f, size_t expected)
{
	char text[200];
	int fd = open(f->runs, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), expected);
	close(fd);
}

static int header(struct fixture *f)
{
	f->error = (struct kev_error){""};
	return kev_credential_header(f->credential, &f->header, &f->error);
}

/* Ask, and wait for the plugin that this starts. @return whether there was something new */
static bool await_run(struct fixture *f)
{
	int fds[KEV_PLUGIN_DESCRIPTORS];
	bool fresh = false;

	assert_int_equal(header(f), -EAGAIN);
	assert_true(kev_credential_deadline(f->credential) > f->now);
	while (kev_credential_deadline(f->credential) != INT64_MAX) {
		size_t count = kev_credential_descriptors(f->credential, fds);

		assert_int_equal(header(f), -EAGAIN);
		plugin_wait(fds, count);
		fresh = kev_credential_look(f->credential);
	}
	assert_int_equal(kev_credential_descriptors(f->credential, fds), 0);
	assert_false(kev_credential_look(f->credential));
	return fresh;
}

static void assert_header(struct fixture *f, const char *expected)
{
	assert_int_equal(header(f), 0);
	assert_string_equal(kev_buf_cstr(&f->header), expected);
}

static void assert_fails(struct fixture *f, const char *text)
{
	assert_int_equal(header(f), -EACCES);
	assert_string_equal(f->error.text, text);
}

static void test_header_is_kept(void **state)
{
	struct fixture *f = *state;

	prints(f, "\"token\":\"one\"");
	assert_int_equal(kev_credential_generation(f->credential), 0);
	assert_true(await_run(f));
	assert_int_equal(kev_credential_generation(f->credential), 1);
	assert_header(f, "Authorization: Bearer one");
	f->now += 1000000 * SECOND;
	assert_header(f, "Authorization: Bearer one");
	assert_runs(f, 1);
}

static void test_header_of_a_certificate(void **state)
{
	struct fixture *f = *state;
	struct kev_str certificate, key;

	kev_credential_pair(f->credential, &certificate, &key);
	assert_int_equal(certificate.len + key.len, 0);
	prints(f, "\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\"");
	assert_true(await_run(f));
	assert_header(f, "");
	kev_credential_pair(f->credential, &certificate, &key);
	assert_str_equal(certificate, KEV_STR("C"));
	assert_str_equal(key, KEV_STR("K"));
	/* What it is good for, somebody else knows. */
	kev_credential_reject(f->credential, &(struct kev_error){"no good"});
	assert_fails(f, "no good");
	kev_credential_pair(f->credential, &certificate, &key);
	assert_int_equal(certificate.len + key.len, 0);
	f->now += 1 * SECOND;
	assert_true(await_run(f));
	assert_runs(f, 2);
}

static void test_header_expires(void **state)
{
	struct fixture *f = *state;

	prints(f, "\"token\":\"one\",\"expirationTimestamp\":\"1970-01-01T00:17:00Z\"");
	assert_true(await_run(f));
	f->now = 1020 * SECOND - 1;
	assert_header(f, "Authorization: Bearer one");
	f->now++;
	prints(f, "\"token\":\"two\",\"expirationTimestamp\":\"1970-01-01T00:17:00Z\"");
	assert_true(await_run(f));
	/* It has expired already: used all the same, for a moment. */
	assert_header(f, "Authorization: Bearer two");
	f->now += SECOND - 1;
	assert_header(f, "Authorization: Bearer two");
	assert_runs(f, 2);
	f->now++;
	assert_true(await_run(f));
	assert_runs(f, 3);
}

static void test_refresh(void **state)
{
	struct fixture *f = *state;

	prints(f, "\"token\":\"one\"");
	assert_true(await_run(f));
	prints(f, "\"token\":\"two\"");
	assert_true(kev_credential_refresh(f->credential, 1));
	assert_true(await_run(f));
	assert_header(f, "Authorization: Bearer two");
	/* Others that were refused with the first. */
	assert_true(kev_credential_refresh(f->credential, 1));
	assert_header(f, "Authorization: Bearer two");
	assert_runs(f, 2);
}

/* A server that takes nothing: the plugin is run less and less often. */
static void test_refresh_in_vain(void **state)
{
	static const int delays[] = {1, 2, 4, 8, 16, 30, 30};
	struct fixture *f = *state;

	prints(f, "\"token\":\"one\"");
	assert_true(await_run(f));
	assert_true(kev_credential_refresh(f->credential, 1));
	assert_true(await_run(f));
	for (size_t i = 0; i < KEV_ARRAY_LEN(delays); i++) {
		unsigned generation = kev_credential_generation(f->credential);

		assert_false(kev_credential_refresh(f->credential, generation));
		/* Meanwhile the server may say what it thinks of it. */
		assert_header(f, "Authorization: Bearer one");
		f->now += delays[i] * SECOND - 1;
		assert_false(kev_credential_refresh(f->credential, generation));
		assert_header(f, "Authorization: Bearer one");
		f->now++;
		assert_true(kev_credential_refresh(f->credential, generation));
		assert_true(await_run(f));
	}
	/* Once it is of use all begins anew; what was said of another one is no matter. */
	kev_credential_accepted(f->credential, 1);
	assert_false(kev_credential_refresh(f->credential, kev_credential_generation(f->credential)));
	kev_credential_accepted(f->credential, kev_credential_generation(f->credential));
	f->now += 30 * SECOND;
	for (int i = 0; i < 2; i++) {
		assert_true(kev_credential_refresh(f->credential, kev_credential_generation(f->credential)));
		assert_true(await_run(f));
	}
	assert_false(kev_credential_refresh(f->credential, kev_credential_generation(f->credential)));
}

static void test_header_of_a_plugin_that_fails(void **state)
{
	static const int delays[] = {1, 1, 2, 4, 8, 16, 30, 30};
	struct fixture *f = *state;

	write_file(f->answer, "nonsense");
	assert_false(await_run(f));
	for (size_t i = 0; i < KEV_ARRAY_LEN(delays); i++) {
		assert_runs(f, i + 1);
		assert_fails(f, "exec plugin login: prints something that is no JSON object");
		f->now += delays[i] * SECOND - 1;
		assert_fails(f, "exec plugin login: prints something that is no JSON object");
		f->now++;
		if (i == KEV_ARRAY_LEN(delays) - 1)
			prints(f, "\"token\":\"one\"");
		assert_int_equal(await_run(f), i == KEV_ARRAY_LEN(delays) - 1);
	}
	assert_header(f, "Authorization: Bearer one");
}

/* What was good is good until it expires. */
static void test_header_after_a_failure(void **state)
{
	struct fixture *f = *state;

	prints(f, "\"token\":\"one\",\"expirationTimestamp\":\"1970-01-01T00:17:00Z\"");
	assert_true(await_run(f));
	write_file(f->answer, "nonsense");
	assert_true(kev_credential_refresh(f->credential, 1));
	assert_false(await_run(f));
	assert_header(f, "Authorization: Bearer one");
	f->now += 30 * SECOND;
	assert_false(await_run(f));
	assert_fails(f, "exec plugin login: prints something that is no JSON object");
}

static void test_header_plain(void **state)
{
	struct fixture *f = *state;

	kev_credential_destroy(f->credential);
	memcpy(f->server, "http://h", sizeof("http://h"));
	f->credential = kev_credential_create(&f->config, &f->clock);
	assert_non_null(f->credential);
	assert_header(f, "");
	assert_false(kev_credential_refresh(f->credential, 0));
	assert_runs(f, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_header_is_kept),
		TEST(test_header_of_a_certificate),
		TEST(test_header_expires),
		TEST(test_refresh),
		TEST(test_refresh_in_vain),
		TEST(test_header_of_a_plugin_that_fails),
		TEST(test_header_after_a_failure),
		TEST(test_header_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
