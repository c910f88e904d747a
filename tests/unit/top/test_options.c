#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../nomem.h"
#include "options.h"

#define ARGS_MAX 16

/* Parse words separated by '|'. */
static int parse(struct kev_options *options, const char *line, struct kev_error *error)
{
	char *copy = strdup(line), *argv[ARGS_MAX + 1] = {NULL}, *rest = copy;
	int argc = 0, r;

	error->text[0] = '\0';
	while (rest) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = strsep(&rest, "|");
	}
	r = kev_options_parse(options, argc, argv, error);
	free(copy);
	return r;
}

static void test_parse_defaults(void **state)
{
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(parse(&options, "kevfs|prod|/k8s", &error), 0);
	assert_string_equal(options.source, "prod");
	assert_string_equal(options.mountpoint, "/k8s");
	assert_false(options.foreground || options.debug || options.single_thread || options.delay_sync);
	assert_null(options.namespaces);
	assert_null(options.field_selector);
	assert_null(options.mount_options);
	assert_int_equal(options.sync_timeout, 30);
	assert_int_equal(options.log_level, KEV_LOG_WARNING);
	assert_int_equal(options.uid, getuid());
	assert_int_equal(options.umask, 0);
	assert_false(options.xattr);
	kev_options_fini(&options);
}

/* mount(8) keeps commas in quotes together, and hands the quotes on. */
static void test_parse_quoted_value(void **state)
{
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(
		parse(&options, "kevfs|a|b|-o|ro,kubeconfig=\"/a,b\",context=\"u:o:t:s0:c1,c2\",allow_other",
			&error),
		0);
	assert_string_equal(options.kubeconfig, "/a,b");
	assert_string_equal(options.mount_options, "context=\"u:o:t:s0:c1\\,c2\",allow_other");
	assert_true(options.ro);
	kev_options_fini(&options);
	/* A quote in the midst of a value is the value's. */
	assert_int_equal(
		parse(&options, "kevfs|a|b|-o|kubeconfig=x\"y,field_selector=reason=\"a\"", &error), 0);
	assert_string_equal(options.kubeconfig, "x\"y");
	assert_string_equal(options.field_selector, "reason=\"a\"");
	kev_options_fini(&options);
	assert_int_equal(parse(&options, "kevfs|a|b|-o|kubeconfig=\"/a,ro", &error), -EINVAL);
	assert_non_null(strstr(error.text, "closing quote"));
	kev_options_fini(&options);
}

static void test_parse_field_selector_of_a_file(void **state)
{
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(parse(&options, "kevfs|-o|field_selector=type=Warning|file:x|b", &error), -EINVAL);
	assert_non_null(strstr(error.text, "field_selector"));
	kev_options_fini(&options);
	assert_int_equal(parse(&options, "kevfs|-o|namespace=a|file:x|b", &error), 0);
	kev_options_fini(&options);
}

static void test_parse_refuses_unknown_letters(void **state)
{
	static const char *const lines[][2] = {{"kevfs|-xf|a|b", "-x;"}, {"kevfs|--debug|-fx|a|b", "-x;"},
		{"kevfs|--foo|a|b", "--foo;"}, {"kevfs|--help=1|a|b", "--help=1;"}};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(lines); i++) {
		struct kev_options options;
		struct kev_error error;

		assert_int_equal(parse(&options, lines[i][0], &error), -EINVAL);
		assert_non_null(strstr(error.text, lines[i][1]));
		kev_options_fini(&options);
	}
}

static void test_parse_exec(void **state)
{
	static const char *const wrong[][2] = {{"exec_path=", "exec_path="},
		{"exec_path=bin", "exec_path=bin"}, {"exec_path=/a::/b", "exec_path=/a::/b"},
		{"exec_path=/a:", "exec_path=/a:"}, {"exec_path=/a:./b", "exec_path=/a:./b"},
		{"exec_timeout=0", "at least one second"}, {"exec_timeout=3601", "from 0 to 3600"},
		{"exec_timeout=x", "not a number"}};
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(parse(&options, "kevfs|a|b", &error), 0);
	assert_null(options.exec_path);
	assert_int_equal(options.exec_timeout, 60);
	kev_options_fini(&options);
	assert_int_equal(parse(&options, "kevfs|-o|exec_path=/opt/a b:/,exec_timeout=3600|a|b", &error), 0);
	assert_string_equal(options.exec_path, "/opt/a b:/");
	assert_int_equal(options.exec_timeout, 3600);
	kev_options_fini(&options);
	for (size_t i = 0; i < KEV_ARRAY_LEN(wrong); i++) {
		char line[64];

		snprintf(line, sizeof(line), "kevfs|-o|%s|a|b", wrong[i][0]);
		assert_int_equal(parse(&options, line, &error), -EINVAL);
		assert_non_null(strstr(error.text, wrong[i][1]));
		kev_options_fini(&options);
	}
}

/* As mount(8) and fstab hand it over: options last, and many that are not ours. */
static void test_parse_mount_helper_line(void **state)
{
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(parse(&options,
				 "kevfs|-|/"
				 "k8s|-o|rw,_netdev,nofail,x-systemd.mount-timeout=60,X-mount.mkdir,user=joe,"
				 "comment=x,dev,suid,"
				 "noatime,allow_other,noexec",
				 &error),
		0);
	assert_string_equal(options.source, "-");
	assert_string_equal(options.mount_options, "allow_other,noexec");
	kev_options_fini(&options);
}

static void test_parse_repeats(void **state)
{
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(parse(&options,
				 "kevfs|-o|namespace=a,namespace=b|-onamespace=a|c|/"
				 "m|-o|field_selector=type=Warning,field_"
				 "selector=reason!=x\\,involvedObject.name=a\\=b\\\\\\,c",
				 &error),
		0);
	assert_int_equal(options.namespace_count, 2);
	assert_string_equal(options.namespaces[0], "a");
	assert_string_equal(options.namespaces[1], "b");
	assert_null(options.namespaces[2]);
	/* "\=" and the "\," behind an escaped backslash are the selector's own escapes */
	assert_string_equal(options.field_selector, "type=Warning,reason!=x,involvedObject.name=a\\=b\\,c");
	kev_options_fini(&options);
}

static void test_parse_values(void **state)
{
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(
		parse(&options,
			"kevfs|-f|-s|-o|uid=1000,gid=4294967294,umask=0027,xattr,sync_timeout=5,delay_"
			"sync,log_level=debug,kubeconfig=/a "
			"b,context=\"system_u:object_r:fusefs_t:s0:c1\\,c2\"|--|--odd context|/m",
			&error),
		0);
	assert_true(options.foreground && options.single_thread && options.delay_sync && options.xattr);
	assert_int_equal(options.uid, 1000);
	assert_int_equal(options.gid, 4294967294U);
	assert_int_equal(options.umask, 027);
	assert_int_equal(options.sync_timeout, 5);
	assert_int_equal(options.log_level, KEV_LOG_DEBUG);
	assert_string_equal(options.kubeconfig, "/a b");
	assert_string_equal(options.mount_options, "context=\"system_u:object_r:fusefs_t:s0:c1\\,c2\"");
	assert_string_equal(options.source, "--odd context");
	kev_options_fini(&options);
}

static void test_parse_mtime(void **state)
{
	struct kev_options options;
	struct kev_error error = {""};

	(void)state;
	assert_int_equal(parse(&options, "kevfs|-o|mtime=last|prod|/m", &error), 0);
	assert_true(options.mtime_last);
	kev_options_fini(&options);
	assert_int_equal(parse(&options, "kevfs|-o|mtime=last,mtime=name|prod|/m", &error), 0);
	assert_false(options.mtime_last);
	kev_options_fini(&options);
	assert_int_equal(parse(&options, "kevfs|-o|mtime=first|prod|/m", &error), -EINVAL);
	assert_string_equal(error.text, "-o mtime=first: not name or last");
	kev_options_fini(&options);
}

static void test_parse_replay(void **state)
{
	static const struct {
		const char *line;
		uint64_t speed;
	} cases[] = {
		{"kevfs|-o|replay=1|file:x|/m", KEV_OPTIONS_REPLAY_ONE},
		{"kevfs|-o|replay=10|file:x|/m", 10 * KEV_OPTIONS_REPLAY_ONE},
		{"kevfs|file:x|/m|-o|replay=0.5", KEV_OPTIONS_REPLAY_ONE / 2},
		{"kevfs|-o|replay=0.000001|file:x|/m", 1},
		{"kevfs|-o|replay=1000000|file:x|/m", 1000000ULL * KEV_OPTIONS_REPLAY_ONE},
		{"kevfs|file:x|/m", 0},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_options options;
		struct kev_error error;

		assert_int_equal(parse(&options, cases[i].line, &error), 0);
		assert_true(options.replay == cases[i].speed);
		kev_options_fini(&options);
	}
}

static void test_parse_retain(void **state)
{
	static const struct {
		const char *line;
		struct kev_retain retain;
	} cases[] = {
		{"kevfs|x|/m", {0, 0, 0}},
		{"kevfs|-o|retain=90s|x|/m", {90 * KEV_NS_PER_SEC, 0, 0}},
		{"kevfs|-o|retain=30m|x|/m", {1800 * KEV_NS_PER_SEC, 0, 0}},
		{"kevfs|-o|retain=24h|x|/m", {86400 * KEV_NS_PER_SEC, 0, 0}},
		{"kevfs|-o|retain=36500d|x|/m", {3153600000 * KEV_NS_PER_SEC, 0, 0}},
		{"kevfs|-o|retain=7d,retain=500M|x|/m", {7 * 86400 * KEV_NS_PER_SEC, 500 << 20, 0}},
		{"kevfs|-o|retain=1024T,retain=1|x|/m", {0, 1ULL << 50, 1}},
		{"kevfs|-o|retain=2G,retain=3K,retain=10000|x|/m", {0, 3072, 10000}},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_options options;
		struct kev_error error;

		assert_int_equal(parse(&options, cases[i].line, &error), 0);
		assert_true(options.retain.age == cases[i].retain.age);
		assert_true(options.retain.bytes == cases[i].retain.bytes);
		assert_true(options.retain.count == cases[i].retain.count);
		kev_options_fini(&options);
	}
}

static void test_parse_bounds(void **state)
{
	static const struct {
		const char *line;
		struct kev_bounds bounds;
	} cases[] = {
		{"kevfs|x|/m", {0, 0}},
		{"kevfs|-o|max_events=10000|x|/m", {10000, 0}},
		{"kevfs|-o|max_bytes=65536|x|/m", {0, 65536}},
		{"kevfs|-o|max_events=1,max_bytes=2G|x|/m", {1, 2ULL << 30}},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_options options;
		struct kev_error error;

		assert_int_equal(parse(&options, cases[i].line, &error), 0);
		assert_true(options.bounds.count == cases[i].bounds.count);
		assert_true(options.bounds.bytes == cases[i].bounds.bytes);
		kev_options_fini(&options);
	}
}

#define LIMIT "not a time such as 24h or 7d, a size such as 500M, or a number of events"

static const struct {
	const char *line;
	const char *reason;
} refused[] = {
	{"kevfs", "SOURCE and MOUNTPOINT are missing; usage: kevfs [options] SOURCE MOUNTPOINT (see kevfs "
		  "--help)"},
	{"kevfs|x", "MOUNTPOINT is missing; usage: kevfs [options] SOURCE MOUNTPOINT (see kevfs --help)"},
	{"kevfs|x|/y|z", "too many arguments; usage: kevfs [options] SOURCE MOUNTPOINT (see kevfs --help)"},
	{"kevfs||/y", "an empty SOURCE"},
	{"kevfs|x|", "an empty MOUNTPOINT"},
	{"kevfs|x|/y|-o", "-o needs a value"},
	{"kevfs|x|/y|-q", "unknown option -q; kevfs --help lists them"},
	{"kevfs|x|/y|--quiet", "unknown option --quiet; kevfs --help lists them"},
	{"kevfs|x|/y|-o|nosuch", "unknown option -o nosuch; kevfs --help lists them"},
	{"kevfs|x|/y|-o|nosuch=1\n", "unknown option -o nosuch=1\\x0a; kevfs --help lists them"},
	{"kevfs|x|/y|-o|namespace", "-o namespace needs a value: -o namespace=NS"},
	{"kevfs|x|/y|-o|namespace=", "-o namespace=: not the name of a namespace"},
	{"kevfs|x|/y|-o|namespace=a/b", "-o namespace=a/b: not the name of a namespace"},
	{"kevfs|x|/y|-o|delay_sync=1", "-o delay_sync takes no value"},
	{"kevfs|x|/y|-o|field_selector=Warning",
		"-o field_selector=Warning: not a selector such as type=Warning or reason!=Pulled"},
	{"kevfs|x|/y|-o|retain=", "-o retain=: " LIMIT},
	{"kevfs|x|/y|-o|retain=0", "-o retain=0: " LIMIT},
	{"kevfs|x|/y|-o|retain=h", "-o retain=h: " LIMIT},
	{"kevfs|x|/y|-o|retain=1w", "-o retain=1w: " LIMIT},
	{"kevfs|x|/y|-o|retain=-1h", "-o retain=-1h: " LIMIT},
	{"kevfs|x|/y|-o|retain=1.5h", "-o retain=1.5h: " LIMIT},
	{"kevfs|x|/y|-o|retain=36501d", "-o retain=36501d: " LIMIT},
	{"kevfs|x|/y|-o|retain=1025T", "-o retain=1025T: " LIMIT},
	{"kevfs|x|/y|-o|retain=1000000001", "-o retain=1000000001: " LIMIT},
	{"kevfs|x|/y|-o|kubeconfig=", "-o kubeconfig=: a path is missing"},
	{"kevfs|x|/y|-o|uid=-1", "-o uid=-1: not a number from 0 to 4294967294"},
	{"kevfs|x|/y|-o|uid=4294967295", "-o uid=4294967295: not a number from 0 to 4294967294"},
	{"kevfs|x|/y|-o|gid=wheel", "-o gid=wheel: not a number from 0 to 4294967294"},
	{"kevfs|x|/y|-o|umask=8", "-o umask=8: not an octal mask from 0 to 777"},
	{"kevfs|x|/y|-o|umask=1777", "-o umask=1777: not an octal mask from 0 to 777"},
	{"kevfs|x|/y|-o|sync_timeout=0", "-o sync_timeout=0: at least one second"},
	{"kevfs|x|/y|-o|sync_timeout=1s", "-o sync_timeout=1s: not a number from 0 to 86400"},
	{"kevfs|x|/y|-o|log_level=loud", "-o log_level=loud: not one of error, warning, info, debug"},
	{"kevfs|file:x|/y|-o|replay", "-o replay needs a value: -o replay=SPEED"},
	{"kevfs|file:x|/y|-o|replay=0", "-o replay=0: not a speed such as 1, 10 or 0.5, up to 1000000"},
	{"kevfs|file:x|/y|-o|replay=", "-o replay=: not a speed such as 1, 10 or 0.5, up to 1000000"},
	{"kevfs|file:x|/y|-o|replay=0.0000001",
		"-o replay=0.0000001: not a speed such as 1, 10 or 0.5, up to 1000000"},
	{"kevfs|file:x|/y|-o|replay=1000000.1",
		"-o replay=1000000.1: not a speed such as 1, 10 or 0.5, up to 1000000"},
	{"kevfs|file:x|/y|-o|replay=-1", "-o replay=-1: not a speed such as 1, 10 or 0.5, up to 1000000"},
	{"kevfs|file:x|/y|-o|replay=10x", "-o replay=10x: not a speed such as 1, 10 or 0.5, up to 1000000"},
	{"kevfs|prod|/y|-o|replay=1", "-o replay plays a recording, file:PATH, and SOURCE is prod"},
	{"kevfs|-o|replay=1|-|/y", "-o replay plays a recording, file:PATH, and SOURCE is -"},
	{"kevfs|x|/y|-o|max_events=0", "-o max_events=0: not a number from 1 to 1000000000"},
	{"kevfs|x|/y|-o|max_events=1k", "-o max_events=1k: not a number from 1 to 1000000000"},
	{"kevfs|x|/y|-o|max_bytes=0", "-o max_bytes=0: not a size such as 500000, 512K, 64M or 1G"},
	{"kevfs|x|/y|-o|max_bytes=7d", "-o max_bytes=7d: not a size such as 500000, 512K, 64M or 1G"},
	{"kevfs|x|/y|-o|ro,remount",
		"-o remount: a mounted kevfs cannot be changed; unmount it and mount it anew"},
};

static void test_parse_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(refused); i++) {
		struct kev_options options;
		struct kev_error error;

		assert_int_equal(parse(&options, refused[i].line, &error), -EINVAL);
		assert_string_equal(error.text, refused[i].reason);
		kev_options_fini(&options);
	}
}

static void test_parse_help_and_version_look_at_nothing_else(void **state)
{
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(parse(&options, "kevfs|-h|-o|nosuch", &error), 0);
	assert_true(options.help);
	kev_options_fini(&options);
	assert_int_equal(parse(&options, "kevfs|--version", &error), 0);
	assert_true(options.version);
	kev_options_fini(&options);
}

static int parse_action(void *context)
{
	char words[] = "kevfs|-f|prod|/k8s|-o|namespace=a,namespace=b,field_selector=a=b\\,c=d,kubeconfig=/x,"
		       "state=/s,allow_other,context=\"a,b\",log_level=debug,retain=7d";
	char *argv[ARGS_MAX + 1] = {NULL}, *rest = words;
	struct kev_options options;
	int argc = 0, r;

	(void)context;
	while (rest)
		argv[argc++] = strsep(&rest, "|");
	r = kev_options_parse(&options, argc, argv, NULL);
	if (!r) {
		assert_int_equal(options.namespace_count, 2);
		assert_string_equal(options.mount_options, "allow_other,context=\"a\\,b\"");
	}
	kev_options_fini(&options);
	return r;
}

static void test_parse_without_memory(void **state)
{
	(void)state;
	assert_in_range(nomem_fail_each(parse_action, NULL), 10, 100);
}

static int parse_check(struct kev_options *options, const char *line, struct kev_error *error)
{
	char *copy = strdup(line), *argv[ARGS_MAX + 1] = {NULL}, *rest = copy;
	int argc = 0, r;

	error->text[0] = '\0';
	while (rest) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = strsep(&rest, "|");
	}
	r = kev_options_parse_check(options, argc, argv, error);
	free(copy);
	return r;
}

static void test_parse_check(void **state)
{
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(parse_check(&options, "check|prod|-o|namespace=a,ro,sync_timeout=3", &error), 0);
	assert_true(options.check);
	assert_false(options.json);
	assert_string_equal(options.source, "prod");
	assert_null(options.mountpoint);
	assert_int_equal(options.sync_timeout, 3);
	assert_int_equal(options.namespace_count, 1);
	kev_options_fini(&options);
	/* A line for the mount will do, but for its first word. */
	assert_int_equal(parse_check(&options, "check|-f|-s|--json|prod|/k8s", &error), 0);
	assert_true(options.json);
	assert_string_equal(options.mountpoint, "/k8s");
	kev_options_fini(&options);
	assert_int_equal(parse_check(&options, "check|--help|-x", &error), 0);
	assert_true(options.help);
	kev_options_fini(&options);
}

static void test_parse_check_refuses(void **state)
{
	static const char *const lines[][2] = {{"check", "SOURCE is missing; usage: kevfs check"},
		{"check|a|b|c", "too many arguments; usage: kevfs check"}, {"check|", "an empty SOURCE"},
		{"check|a|", "an empty MOUNTPOINT"}, {"check|-j|a", "unknown option -j; kevfs check --help"},
		{"check|--foreground|a", "unknown option --foreground; kevfs check --help"},
		{"check|a|-o|nonsense", "unknown option -o nonsense"},
		{"check|file:x|-o|state=/s", "-o state is for API servers"}};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(lines); i++) {
		struct kev_options options;
		struct kev_error error;

		assert_int_equal(parse_check(&options, lines[i][0], &error), -EINVAL);
		if (!strstr(error.text, lines[i][1]))
			fail_msg("%s: %s", lines[i][0], error.text);
		kev_options_fini(&options);
	}
}

/* --json is of the check only. */
static void test_parse_json_of_a_mount(void **state)
{
	struct kev_options options;
	struct kev_error error;

	(void)state;
	assert_int_equal(parse(&options, "kevfs|--json|a|b", &error), -EINVAL);
	assert_non_null(strstr(error.text, "--json;"));
	kev_options_fini(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_defaults),
		cmocka_unit_test(test_parse_exec),
		cmocka_unit_test(test_parse_mount_helper_line),
		cmocka_unit_test(test_parse_quoted_value),
		cmocka_unit_test(test_parse_refuses_unknown_letters),
		cmocka_unit_test(test_parse_field_selector_of_a_file),
		cmocka_unit_test(test_parse_repeats),
		cmocka_unit_test(test_parse_check),
		cmocka_unit_test(test_parse_check_refuses),
		cmocka_unit_test(test_parse_json_of_a_mount),
		cmocka_unit_test(test_parse_values),
		cmocka_unit_test(test_parse_mtime),
		cmocka_unit_test(test_parse_replay),
		cmocka_unit_test(test_parse_retain),
		cmocka_unit_test(test_parse_bounds),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_parse_help_and_version_look_at_nothing_else),
		cmocka_unit_test(test_parse_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
