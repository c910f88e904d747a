#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/cluster/credential.h"

/* A credential over a clock that a test moves, and a token file in a directory of its own. */
struct fixture {
	char directory[32];
	char path[48];
	int64_t now;
	struct kev_clock clock;
	char server[16];
	struct kev_cluster_config config; /* its strings are the test's */
	struct kev_credential *credential;
	struct kev_buf header;
	struct kev_error error;
};

static int64_t now(void *context)
{
	return *(int64_t *)context;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	memcpy(f->directory, "/tmp/kevfs-test-XXXXXX", sizeof("/tmp/kevfs-test-XXXXXX"));
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/token", f->directory);
	f->now = 7;
	f->clock = (struct kev_clock){now, now, now, &f->now};
	memcpy(f->server, "https://h", sizeof("https://h"));
	f->config.server = f->server;
	kev_buf_init(&f->header, 1000);
	f->credential = kev_credential_create(&f->config, &f->clock);
	return f->credential ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kev_credential_destroy(f->credential);
	kev_buf_wipe(&f->header);
	unlink(f->path);
	rmdir(f->path);
	if (rmdir(f->directory) < 0)
		return -1;
	free(f);
	return 0;
}

static void write_token(const struct fixture *f, const void *text, size_t len)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void assert_header(struct fixture *f, const char *expected)
{
	assert_int_equal(kev_credential_header(f->credential, &f->header, &f->error), 0);
	assert_string_equal(kev_buf_cstr(&f->header), expected);
}

static void assert_fails(struct fixture *f, int r, const char *text)
{
	char expected[200];

	kev_buf_clear(&f->header);
	kev_buf_append_c(&f->header, "untouched");
	assert_int_equal(kev_credential_header(f->credential, &f->header, &f->error), r);
	assert_str_equal(kev_buf_str(&f->header), KEV_STR("untouched"));
	snprintf(expected, sizeof(expected), "token file %s%s", f->path, text);
	assert_string_equal(f->error.text, expected);
}

static void test_header_anonymous(void **state)
{
	struct fixture *f = *state;

	kev_buf_append_c(&f->header, "old");
	assert_header(f, "");
	assert_int_equal(f->header.len, 0);
	assert_false(kev_credential_refresh(f->credential, 0));
}

static void test_header_token(void **state)
{
	struct fixture *f = *state;

	f->config.token = (char[]){"abc"};
	kev_buf_append_c(&f->header, "old");
	assert_header(f, "Authorization: Bearer abc");
	/* There is nothing to read again. */
	assert_false(kev_credential_refresh(f->credential, 0));
	assert_header(f, "Authorization: Bearer abc");
}

/* RFC 7617 section 2, and an empty password. */
static void test_header_basic(void **state)
{
	struct fixture *f = *state;

	f->config.username = (char[]){"Aladdin"};
	f->config.password = (char[]){"open sesame"};
	assert_header(f, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	f->config.password = NULL;
	assert_header(f, "Authorization: Basic QWxhZGRpbjo=");
	f->config.username = (char[]){"ab"};
	assert_header(f, "Authorization: Basic YWI6");
}

static void test_header_http_sends_nothing(void **state)
{
	struct fixture *f = *state;

	memcpy(f->server, "http://h", sizeof("http://h"));
	f->config.token = (char[]){"abc"};
	f->config.token_file = f->path; /* is not even read: it is not there */
	f->config.username = (char[]){"bob"};
	kev_buf_append_c(&f->header, "old");
	assert_header(f, "");
	assert_false(kev_credential_refresh(f->credential, 0));
}

static void test_header_token_file_rotates(void **state)
{
	struct fixture *f = *state;

	f->config.token_file = f->path;
	f->config.token = (char[]){"config"}; /* the file wins */
	write_token(f, " one\n", 5);
	assert_header(f, "Authorization: Bearer one");
	write_token(f, "two", 3);
	f->now += 50 * KEV_NS_PER_SEC - 1;
	assert_header(f, "Authorization: Bearer one");
	f->now += 1;
	assert_header(f, "Authorization: Bearer two");
	/* The time starts again. */
	write_token(f, "three", 5);
	f->now += 50 * KEV_NS_PER_SEC - 1;
	assert_header(f, "Authorization: Bearer two");
	f->now += 1;
	assert_header(f, "Authorization: Bearer three");
}

static void test_header_token_file_vanishes(void **state)
{
	struct fixture *f = *state;

	f->config.token_file = f->path;
	f->config.token = (char[]){"config"};
	write_token(f, "one", 3);
	assert_header(f, "Authorization: Bearer one");
	assert_int_equal(unlink(f->path), 0);
	f->now += 60 * KEV_NS_PER_SEC;
	assert_header(f, "Authorization: Bearer one");
	/* Tried again at every call, not only in 50 s. */
	write_token(f, "two", 3);
	assert_header(f, "Authorization: Bearer two");
	/* Half written: as if it were not there. */
	write_token(f, "", 0);
	f->now += 60 * KEV_NS_PER_SEC;
	assert_header(f, "Authorization: Bearer two");
	write_token(f, "a\nb", 3);
	assert_header(f, "Authorization: Bearer two");
}

static void test_header_token_file_never_there(void **state)
{
	struct fixture *f = *state;

	f->config.token_file = f->path;
	assert_fails(f, -ENOENT, ": No such file or directory");
	f->config.token = (char[]){"config"};
	assert_header(f, "Authorization: Bearer config");
	f->config.token = NULL;
	write_token(f, "one", 3);
	assert_header(f, "Authorization: Bearer one");
}

static void test_header_token_file_broken(void **state)
{
	struct fixture *f = *state;
	char text[65537];

	f->config.token_file = f->path;
	write_token(f, " \n", 2);
	assert_fails(f, -EINVAL, " is empty");
	write_token(f, "hunter2\nX-Evil: 1", 17);
	assert_fails(f, -EINVAL, " holds a line break or another control character in its token");
	write_token(f, "hunter2\0x", 9);
	assert_fails(f, -EINVAL, " holds a line break or another control character in its token");
	write_token(f, "hunter2\x7f", 8);
	assert_fails(f, -EINVAL, " holds a line break or another control character in its token");
	memset(text, 'a', sizeof(text));
	write_token(f, text, sizeof(text));
	assert_fails(f, -EFBIG, ": File too large");
	unlink(f->path);
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_fails(f, -EISDIR, ": Is a directory");
}

static void test_header_over_cap(void **state)
{
	struct fixture *f = *state;
	char token[1000];

	memset(token, 'a', sizeof(token));
	token[sizeof(token) - 1] = '\0';
	f->config.token = token;
	kev_buf_append_c(&f->header, "old");
	assert_int_equal(kev_credential_header(f->credential, &f->header, NULL), -EMSGSIZE);
	assert_str_equal(kev_buf_str(&f->header), KEV_STR("old"));
	assert_int_equal(f->header.error, 0);
	/* Exactly full. */
	token[1000 - strlen("Authorization: Bearer ")] = '\0';
	assert_int_equal(kev_credential_header(f->credential, &f->header, NULL), 0);
	assert_int_equal(f->header.len, 1000);
}

static void test_refresh(void **state)
{
	struct fixture *f = *state;

	f->config.token_file = f->path;
	write_token(f, "one", 3);
	assert_header(f, "Authorization: Bearer one");
	write_token(f, "two", 3);
	assert_true(kev_credential_refresh(f->credential, 0));
	assert_header(f, "Authorization: Bearer two");
	/* With nothing better, the old one. */
	assert_int_equal(unlink(f->path), 0);
	assert_true(kev_credential_refresh(f->credential, 0));
	assert_header(f, "Authorization: Bearer two");
}

static void test_destroy_null(void **state)
{
	(void)state;
	kev_credential_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_header_anonymous, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header_basic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header_http_sends_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header_token_file_rotates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header_token_file_vanishes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header_token_file_never_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header_token_file_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header_over_cap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refresh, setup, teardown),
		cmocka_unit_test(test_destroy_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
