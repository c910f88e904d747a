#include "plugin_script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Shell scripts that do all that a plugin can do to us. */

struct fixture {
	struct plugin_script script;
	struct kev_plugin *plugin;
	struct kev_plugin_credential credential;
	int64_t now;
	struct kev_clock clock;
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
	f->now = 7;
	f->clock = (struct kev_clock){now, now, now, &f->now};
	kev_plugin_credential_init(&f->credential);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kev_plugin_destroy(f->plugin);
	plugin_script_end(&f->script);
	kev_plugin_credential_fini(&f->credential);
	free(f);
	return 0;
}

static void start(struct fixture *f, const char *script)
{
	kev_plugin_destroy(f->plugin);
	plugin_script_end(&f->script);
	plugin_script_start(&f->script, script);
	f->plugin = kev_plugin_create(&f->script.config, f->script.helper, &f->clock);
	assert_non_null(f->plugin);
	assert_int_equal(kev_plugin_start(f->plugin, &f->error), 0);
}

static int look_until_the_end(struct fixture *f)
{
	int fds[KEV_PLUGIN_DESCRIPTORS], r;

	while ((r = kev_plugin_look(f->plugin, &f->credential, &f->error)) == -EAGAIN)
		plugin_wait(fds, kev_plugin_descriptors(f->plugin, fds));
	assert_int_equal(kev_plugin_descriptors(f->plugin, fds), 0);
	assert_true(kev_plugin_deadline(f->plugin) == INT64_MAX);
	return r;
}

static void assert_fails(struct fixture *f, const char *script, const char *text)
{
	start(f, script);
	kev_buf_clear(&f->credential.token);
	kev_buf_append_c(&f->credential.token, "untouched");
	assert_int_equal(look_until_the_end(f), -EACCES);
	assert_string_equal(f->error.text, text);
	assert_str_equal(kev_buf_str(&f->credential.token), KEV_STR("untouched"));
}

static void test_look_token(void **state)
{
	struct fixture *f = *state;

	start(f, "echo warning >&2; " PLUGIN_ECHO("abc"));
	assert_true(kev_plugin_deadline(f->plugin) == 7 + 60 * KEV_NS_PER_SEC);
	assert_int_equal(look_until_the_end(f), 0);
	assert_str_equal(kev_buf_str(&f->credential.token), KEV_STR("abc"));
	/* Nothing runs: there is nothing to see. */
	assert_int_equal(kev_plugin_look(f->plugin, &f->credential, &f->error), -EAGAIN);
	assert_int_equal(kev_plugin_start(f->plugin, &f->error), 0);
	assert_int_equal(kev_plugin_start(f->plugin, &f->error), -EACCES);
	assert_string_equal(f->error.text, "exec plugin login: its last run has not ended");
	assert_int_equal(look_until_the_end(f), 0);
}

/* What is left behind holds the pipes, until we let it go; nobody waits for that. */
static void test_look_does_not_wait_for_children(void **state)
{
	struct fixture *f = *state;
	char directory[] = "/tmp/kevfs-test-XXXXXX", fifo[64], script[256];
	int fd;

	assert_non_null(mkdtemp(directory));
	snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(script, sizeof(script), "cat %s & " PLUGIN_ECHO("abc"), fifo);
	start(f, script);
	assert_int_equal(look_until_the_end(f), 0);
	assert_str_equal(kev_buf_str(&f->credential.token), KEV_STR("abc"));
	fd = open(fifo, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	unlink(fifo);
	rmdir(directory);
}

static void test_look_failures(void **state)
{
	struct fixture *f = *state;

	assert_fails(f, "exit 1", "exec plugin login: ends with status 1");
	assert_fails(f, "echo hunter2; echo one >&2; echo ' two  ' >&2; echo >&2; exit 2",
		"exec plugin login: ends with status 2: two");
	assert_fails(f, "printf 'a\\033[31m\\rb\\033[0m' >&2; exit 3",
		"exec plugin login: ends with status 3: b\\x1b[0m");
	assert_fails(f, "kill -KILL $$", "exec plugin login: was ended by signal 9 (Killed)");
	assert_fails(f, "true", "exec plugin login: prints nothing");
	assert_fails(f, "echo hunter2; echo why >&2",
		"exec plugin login: prints something that is no JSON object: why");
	assert_fails(f, "echo '{\"kind\":\"Pod\"}'",
		"exec plugin login: prints an object of kind \"Pod\", not ExecCredential");
	/* The beginning of a long line, and what is before it is forgotten. */
	start(f, "yes 0123456789 | head -c 110000 >&2; printf 'why: %01000d' 7 >&2; exit 4");
	assert_int_equal(look_until_the_end(f), -EACCES);
	assert_non_null(strstr(f->error.text, "exec plugin login: ends with status 4: why: 00000"));
	assert_int_equal(strlen(f->error.text), strlen("exec plugin login: ends with status 4: ") + 300);
}

static void test_look_not_run(void **state)
{
	struct fixture *f = *state;

	plugin_script_start(&f->script, "");
	strcpy(f->script.shell, "nosuch");
	kev_helper_destroy(f->script.helper);
	assert_int_equal(kev_helper_start(
				 &(struct kev_helper_config){
					 .argv = f->script.argv, .envp = f->script.env, .path = "/bin"},
				 &f->script.helper),
		0);
	f->plugin = kev_plugin_create(&f->script.config, f->script.helper, &f->clock);
	assert_int_equal(kev_plugin_start(f->plugin, &f->error), 0);
	assert_int_equal(look_until_the_end(f), -EACCES);
	assert_string_equal(
		f->error.text, "exec plugin login: there is no such command in PATH (or -o exec_path=)");
	strcpy(f->script.hint, " get it\n\x1b[31mhere ");
	f->script.config.install_hint = f->script.hint;
	assert_int_equal(kev_plugin_start(f->plugin, &f->error), 0);
	assert_int_equal(look_until_the_end(f), -EACCES);
	assert_string_equal(f->error.text,
		"exec plugin login: there is no such command in PATH (or -o exec_path=); its hint: get "
		"it\\x0a\\x1b[31mhere");
}

static void test_look_too_much(void **state)
{
	struct fixture *f = *state;

	/* It is killed, and does not fill the pipe for ever. */
	assert_fails(f, "echo no end >&2; exec cat /dev/zero",
		"exec plugin login: prints more than 1048576 bytes: no end");
	assert_fails(f, "head -c 1048577 /dev/zero", "exec plugin login: prints more than 1048576 bytes");
	start(f, "head -c 1048000 /dev/zero | tr '\\0' ' '; " PLUGIN_ECHO("abc"));
	assert_int_equal(look_until_the_end(f), 0);
}

static void test_look_hangs(void **state)
{
	struct fixture *f = *state;
	int fds[KEV_PLUGIN_DESCRIPTORS];

	start(f, "echo stuck >&2; sleep 1000 & exec sleep 1000");
	plugin_wait(fds, kev_plugin_descriptors(f->plugin, fds));
	f->now += 60 * KEV_NS_PER_SEC - 1;
	assert_int_equal(kev_plugin_look(f->plugin, &f->credential, &f->error), -EAGAIN);
	f->now += 1;
	assert_int_equal(kev_plugin_look(f->plugin, &f->credential, &f->error), -EACCES);
	assert_string_equal(
		f->error.text, "exec plugin login: does not end within 60 s (exec_timeout): stuck");
	assert_true(kev_plugin_deadline(f->plugin) == INT64_MAX);
	/* The next one begins when that one is gone. */
	while (kev_plugin_start(f->plugin, &f->error) != 0) {
		struct pollfd gone = {.fd = kev_helper_descriptor(f->script.helper), .events = POLLIN};

		assert_string_equal(f->error.text, "exec plugin login: its last run has not ended");
		assert_int_equal(poll(&gone, 1, PLUGIN_PATIENCE_MS), 1);
	}
	assert_int_equal(kev_plugin_look(f->plugin, &f->credential, &f->error), -EAGAIN);
}

static void test_helper_that_is_gone(void **state)
{
	struct fixture *f = *state;

	assert_fails(f, "kill -KILL $PPID; exec sleep 1000",
		"exec plugin login: the process that runs it has ended: mount anew");
	assert_int_equal(kev_plugin_start(f->plugin, &f->error), -EACCES);
	assert_string_equal(
		f->error.text, "exec plugin login: the process that runs it has ended: mount anew");
}

static void test_start_without_a_helper(void **state)
{
	struct fixture *f = *state;

	plugin_script_start(&f->script, "");
	f->plugin = kev_plugin_create(&f->script.config, NULL, &f->clock);
	assert_int_equal(kev_plugin_start(f->plugin, &f->error), -EACCES);
	assert_string_equal(f->error.text, "exec plugin login: there is no process to run it");
	kev_plugin_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_look_token),
		TEST(test_look_does_not_wait_for_children),
		TEST(test_look_failures),
		TEST(test_look_not_run),
		TEST(test_look_too_much),
		TEST(test_look_hangs),
		TEST(test_helper_that_is_gone),
		TEST(test_start_without_a_helper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
