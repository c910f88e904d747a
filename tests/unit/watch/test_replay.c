#include "../room.h"
#include "recording.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "kevfs/base/log.h"
#include "kevfs/watch/replay.h"

/* How long anything may take. */
#define PATIENCE_S 20

struct world {
	struct sample sample;
	struct recording recording;
	struct kev_replay *replay;
	int64_t started;
	struct kev_error error;
	char seen[4096];
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	sample_init(&world->sample);
	recording_create(&world->recording);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_replay_destroy(world->replay);
	recording_remove(&world->recording);
	sample_fini(&world->sample);
	free(world);
	return 0;
}

static int create_with(struct world *world, uint64_t speed)
{
	const struct kev_replay_config config = {.path = world->recording.path,
		.speed = speed,
		.clock = kev_clock_system(),
		.store = world->sample.store};

	world->error.text[0] = '\0';
	return kev_replay_create(&config, &world->replay, &world->error);
}

/* The lines are written: put what they begin with into the store. @return that */
static const char *load(struct world *world, uint64_t speed)
{
	recording_close(&world->recording);
	if (create_with(world, speed) || kev_replay_load(world->replay, &world->error))
		fail_msg("%s", world->error.text);
	return sample_changes(&world->sample);
}

static void start(struct world *world)
{
	world->started = kev_clock_monotonic(kev_clock_system());
	assert_int_equal(kev_replay_start(world->replay), 0);
}

/* Wait until these changes have come, and no others before them. @return ms since the start */
static int64_t wait_for(struct world *world, const char *expected)
{
	const struct timespec moment = {0, KEV_NS_PER_MS};
	time_t end = time(NULL) + PATIENCE_S;

	world->seen[0] = '\0';
	for (;;) {
		const char *more = sample_changes(&world->sample);
		size_t len = strlen(world->seen);

		snprintf(world->seen + len, sizeof(world->seen) - len, "%s%s", len && *more ? " " : "", more);
		if (strcmp(world->seen, expected) == 0)
			break;
		if (time(NULL) > end || strncmp(world->seen, expected, strlen(world->seen)) != 0)
			fail_msg("\"%s\" is not \"%s\"", world->seen, expected);
		nanosleep(&moment, NULL);
	}
	return (kev_clock_monotonic(kev_clock_system()) - world->started) / KEV_NS_PER_MS;
}

/* Which of the lines that stand first are the list. */
static void test_load_list(void **state)
{
	static const struct {
		struct {
			const char *type, *name, *rv;
		} lines[6];
		const char *listed;
	} cases[] = {
		/* In the order of names, whatever the resourceVersions are; then something newer. */
		{{{"ADDED", "a", "5"}, {"ADDED", "b", "2"}, {"ADDED", "c", "9"}, {"ADDED", "aa", "10"},
			 {"MODIFIED", "a", "11"}},
			"+a@5 +b@2 +c@9"},
		/* The first that is older than another ends it, wherever that stands. */
		{{{"ADDED", "c", "5"}, {"ADDED", "b", "7"}, {"ADDED", "a", "6"}, {"ADDED", "d", "8"}},
			"+c@5 +b@7 +a@6"},
		{{{"ADDED", "b", "5"}, {"ADDED", "a", "7"}, {"ADDED", "c", "8"}}, "+b@5"},
		/* Something else than ADDED is no list any more. */
		{{{"ADDED", "a", "1"}, {"MODIFIED", "a", "2"}, {"ADDED", "b", "3"}}, "+a@1"},
		{{{"MODIFIED", "a", "2"}, {"ADDED", "b", "3"}}, ""},
		{{{"DELETED", "a", "2"}, {"ADDED", "b", "3"}}, ""},
		/* resourceVersions that cannot be compared say nothing for a change. */
		{{{"ADDED", "b", "x"}, {"ADDED", "a", "y"}, {"DELETED", "a", "z"}}, "+b@x +a@y"},
		{{{"ADDED", "a", "1"}}, "+a@1"},
		/* A name over every cap. */
		{{{NULL, NULL, NULL}}, ""},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct world *world = *state;

		for (size_t j = 0; cases[i].lines[j].type; j++)
			recording_line(&world->recording, cases[i].lines[j].type, cases[i].lines[j].name,
				cases[i].lines[j].rv, 0);
		if (!cases[i].lines[0].type)
			fputs("{\"type\":\"BOOKMARK\",\"object\":{}}", world->recording.file);
		assert_string_equal(load(world, KEV_REPLAY_SPEED_ONE), cases[i].listed);
		tear_down(state);
		set_up(state);
	}
}

/* etcd's order is that of namespace/name, in which "a-b/x" stands before "a/x". */
static void test_load_list_of_namespaces(void **state)
{
	static const char *const namespaces[] = {"a-b", "a", "b", "a"};
	struct world *world = *state;

	for (size_t i = 0; i < KEV_ARRAY_LEN(namespaces); i++)
		fprintf(world->recording.file,
			"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"namespace\":\"%s\",\"name\":\"n%"
			"zu\","
			"\"resourceVersion\":\"%zu\"}}}\n",
			namespaces[i], i, i + 1);
	assert_string_equal(load(world, 1), "+n0@1 +n1@2 +n2@3");
}

static void test_load_up_to_the_bookmark(void **state)
{
	struct world *world = *state;

	recording_line(&world->recording, "ADDED", "b", "1", 0);
	recording_line(&world->recording, "ADDED", "a", "2", 0);
	fputs("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Event\",\"metadata\":{\"resourceVersion\":\"2\","
	      "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n",
		world->recording.file);
	recording_line(&world->recording, "ADDED", "c", "3", 0);
	assert_string_equal(load(world, 1), "+b@1 +a@2");
	start(world);
	wait_for(world, "+c@3");
}

static int check_ctime(void *context, struct kev_event *e)
{
	struct world *world = context;

	/* From a list: the second of the last write and the resourceVersion. From a change: its arrival. */
	if (kev_str_eq(kev_event_name(e, ROOM), KEV_STR("a")))
		assert_int_equal(kev_event_ctime(e), NOON - 60 * KEV_NS_PER_SEC + 7);
	else
		assert_int_equal(kev_event_ctime(e), world->sample.now);
	return 0;
}

static void test_play_is_live(void **state)
{
	struct world *world = *state;
	const struct kev_store_visitor visitor = {.event = check_ctime, .context = world};

	fputs("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\","
	      "\"creationTimestamp\":\"2026-07-01T11:59:00Z\"}}}\n",
		world->recording.file);
	recording_line(&world->recording, "MODIFIED", "b", "8", 0);
	assert_string_equal(load(world, KEV_REPLAY_SPEED_ONE), "+a@7");
	world->sample.now += KEV_NS_PER_SEC;
	start(world);
	wait_for(world, "+b@8");
	assert_int_equal(kev_store_walk(world->sample.store, &visitor), 0);
}

/* The first change comes at once, the others as their times say, divided by the speed. */
static void test_play_in_time(void **state)
{
	struct world *world = *state;

	/* However old the list is. */
	recording_line(&world->recording, "ADDED", "a", "1", 0);
	recording_line(&world->recording, "MODIFIED", "a", "2", 600000);
	recording_line(&world->recording, "MODIFIED", "a", "3", 600000);
	recording_line(&world->recording, "ADDED", "b", "4", 602000);
	assert_string_equal(load(world, 10 * KEV_REPLAY_SPEED_ONE), "+a@1");
	start(world);
	wait_for(world, "a@1->2 a@2->3");
	assert_true(wait_for(world, "+b@4") >= 200);
}

static void test_play_slower(void **state)
{
	struct world *world = *state;

	recording_line(&world->recording, "MODIFIED", "a", "1", 0);
	recording_line(&world->recording, "MODIFIED", "a", "2", 20);
	load(world, KEV_REPLAY_SPEED_ONE / 10);
	start(world);
	wait_for(world, "+a@1");
	assert_true(wait_for(world, "a@1->2") >= 200);
}

/* What says no time follows the line before; time never goes back. */
static void test_play_without_times(void **state)
{
	struct world *world = *state;

	recording_line(&world->recording, "DELETED", "z", "1", 3600000);
	recording_line(&world->recording, "MODIFIED", "a", "2", -1);
	recording_line(&world->recording, "MODIFIED", "a", "3", 20000);
	recording_line(&world->recording, "MODIFIED", "b", "4", 0);
	recording_line(&world->recording, "DELETED", "b", "5", 3500000);
	recording_line(&world->recording, "MODIFIED", "a", "6", -1);
	recording_line(&world->recording, "MODIFIED", "a", "7", 20200);
	recording_line(&world->recording, "MODIFIED", "c", "8", 20100);
	load(world, KEV_REPLAY_SPEED_ONE);
	start(world);
	assert_true(wait_for(world, "+a@2 a@2->3 +b@4 -b@4 a@3->6 a@6->7 +c@8") >= 200);
}

/* Millennia at the slowest speed, and the fastest one over them. */
static void test_play_extreme_times(void **state)
{
	static const char *const times[] = {"1970-01-01T00:00:00.000000001Z", "2261-12-31T23:59:59Z"};
	static const uint64_t speeds[] = {1, 1000000ULL * KEV_REPLAY_SPEED_ONE};

	for (size_t i = 0; i < KEV_ARRAY_LEN(speeds); i++) {
		struct world *world = *state;

		for (size_t j = 0; j < KEV_ARRAY_LEN(times); j++)
			fprintf(world->recording.file,
				"{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"a\","
				"\"resourceVersion\":\"%zu\"},\"eventTime\":\"%s\"}}\n",
				j, times[j]);
		load(world, speeds[i]);
		start(world);
		/* No pause is longer than ten minutes, which the highest speed makes short. */
		wait_for(world, i == 0 ? "+a@0" : "+a@0 a@0->1");
		tear_down(state);
		set_up(state);
	}
}

static void test_destroy_ends_a_long_sleep(void **state)
{
	struct world *world = *state;
	const struct timespec moment = {0, 20 * KEV_NS_PER_MS};
	int64_t before;

	recording_line(&world->recording, "MODIFIED", "a", "1", 0);
	recording_line(&world->recording, "MODIFIED", "a", "2", 3000000);
	load(world, KEV_REPLAY_SPEED_ONE);
	start(world);
	wait_for(world, "+a@1");
	nanosleep(&moment, NULL);
	before = kev_clock_monotonic(kev_clock_system());
	kev_replay_destroy(world->replay);
	world->replay = NULL;
	assert_true(kev_clock_monotonic(kev_clock_system()) - before < 5 * KEV_NS_PER_SEC);
	assert_string_equal(sample_changes(&world->sample), "");
}

/* Bookmarks, errors, objects of other kinds, and what makes no sense: none of it stops anything. */
static void test_play_over_the_rest(void **state)
{
	static const char rest[] =
		"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Event\",\"metadata\":{\"resourceVersion\":"
		"\"5\"}}}\n"
		"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"message\":\"too "
		"old\"}}\n"
		"{\"type\":\"ERROR\",\"object\":{}}\n"
		"{\"type\":\"DELETED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"ns\","
		"\"name\":\"a\"}}}\n"
		"{\"type\":\"RENAMED\",\"object\":{\"metadata\":{\"namespace\":\"ns\",\"name\":\"a\"}}}\n"
		"{\"type\":\"DELETED\",\"object\":{\"metadata\":{}}}\n"
		"{\"type\":\"ADDED\",\"object\":{}}\n";
	struct world *world = *state;

	recording_line(&world->recording, "MODIFIED", "a", "1", 0);
	fputs(rest, world->recording.file);
	/* What cannot be shown must not leave its older revision standing. */
	fputs("{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"namespace\":\"ns\",\"name\":\"a\"},"
	      "\"count\":1e999}}\n",
		world->recording.file);
	recording_line(&world->recording, "MODIFIED", "b", "9", 0);
	fputs("{\"type\":\"MODIFIED\",\"obj", world->recording.file);
	load(world, 1);
	start(world);
	wait_for(world, "+a@1 -a@1 +b@9");
}

static void test_create_refuses(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{"{\"items\":[]}", "no recording, so it cannot be replayed; kubectl get events -A --watch "
				   "--output-watch-events -o json prints one"},
		{"", "empty"},
		{"{\"kind\":\"Event\"}\n\n{\"type\":\"ADDED\",\"object\":{}}\n",
			"line 3 (byte 18): no single Event, as those before it are: a line of a watch"},
		{"{\"type\":\"ADDED\",\"object\":{}}\nx",
			"line 2 (byte 29): expected '{': there is nothing but objects here"},
		{"{\"type\":\"ADDED\",\"object\":{}}\n\n{\"type\":7}\n",
			"line 3 (byte 30): no line of a watch: it has no \"type\" and \"object\""},
		{"{\"type\":\"ADDED\",\"object\":{}}\n{\"type\":ADDED}\n",
			"line 2 (byte 29): JSON, byte 8: expected a value"},
		{"{\"type\":\"ADDED\",\"object\":{\n{\"type\":\"ADDED\",\"object\":{}}\n",
			"line 1 (byte 0): an object that never ends"},
		{" {\"type\":\"ADDED\",\"object\":{", "line 1 (byte 1): the text is broken off"},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct world *world = *state;
		char expected[256];

		fputs(cases[i].text, world->recording.file);
		recording_close(&world->recording);
		assert_int_equal(create_with(world, 1), -EINVAL);
		assert_null(world->replay);
		snprintf(expected, sizeof(expected), "%s: %s", world->recording.path, cases[i].reason);
		assert_string_equal(world->error.text, expected);
		tear_down(state);
		set_up(state);
	}
}

static void test_create_no_file(void **state)
{
	struct world *world = *state;

	recording_close(&world->recording);
	recording_remove(&world->recording);
	strcpy(world->recording.path, "/");
	assert_int_equal(create_with(world, 1), -EISDIR);
	assert_string_equal(world->error.text, "/: Is a directory");
	strcpy(world->recording.path, "/nonexistent/x");
	assert_int_equal(create_with(world, 1), -ENOENT);
	assert_string_equal(world->error.text, "/nonexistent/x: No such file or directory");
}

/* What can be read only once is kept. */
static void test_play_a_pipe(void **state)
{
	struct world *world = *state;
	char text[1024];
	int pipes[2];
	ssize_t len;

	recording_line(&world->recording, "ADDED", "a", "1", 0);
	recording_line(&world->recording, "MODIFIED", "a", "2", 0);
	recording_close(&world->recording);
	world->recording.file = fopen(world->recording.path, "r");
	len = (ssize_t)fread(text, 1, sizeof(text), world->recording.file);
	fclose(world->recording.file);
	recording_remove(&world->recording);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], text, (size_t)len), len);
	close(pipes[1]);
	snprintf(world->recording.path, sizeof(world->recording.path), "/proc/self/fd/%d", pipes[0]);
	assert_int_equal(create_with(world, KEV_REPLAY_SPEED_ONE), 0);
	close(pipes[0]);
	assert_int_equal(kev_replay_load(world->replay, &world->error), 0);
	assert_string_equal(sample_changes(&world->sample), "+a@1");
	start(world);
	wait_for(world, "a@1->2");
	/* Its thread may still look at the path. */
	kev_replay_destroy(world->replay);
	world->replay = NULL;
	world->recording.path[0] = '\0';
}

static void test_create_where_a_pipe_cannot_be_kept(void **state)
{
	struct world *world = *state;
	int pipes[2];

	recording_close(&world->recording);
	recording_remove(&world->recording);
	assert_int_equal(pipe(pipes), 0);
	close(pipes[1]);
	snprintf(world->recording.path, sizeof(world->recording.path), "/proc/self/fd/%d", pipes[0]);
	setenv("TMPDIR", "/nonexistent", 1);
	assert_int_equal(create_with(world, 1), -ENOENT);
	assert_non_null(strstr(world->error.text, ": it is read more than once, and cannot be kept in "
						  "/nonexistent: No such file or directory"));
	unsetenv("TMPDIR");
	close(pipes[0]);
	world->recording.path[0] = '\0';
}

/* Single Events, as events.jsonl has them: those of the first sync, in order of last seen, and what came
 * then. */
static void put_single(struct world *world, const char *name, const char *rv, int ms)
{
	fprintf(world->recording.file,
		"{\"kind\":\"Event\",\"metadata\":{\"namespace\":\"ns\",\"name\":\"%s\","
		"\"resourceVersion\":\"%s\"},\"eventTime\":\"2026-07-01T12:00:%02d.%03dZ\"}\n",
		name, rv, ms / 1000, ms % 1000);
}

static void test_play_events(void **state)
{
	struct world *world = *state;

	/* In the order of names, as a list would be: it is none. */
	put_single(world, "a", "1", 0);
	put_single(world, "b", "2", 200);
	put_single(world, "c", "3", 300);
	put_single(world, "a", "4", 250);
	put_single(world, "d", "5", 400);
	/* Nothing is there at first: each comes in its time. */
	assert_string_equal(load(world, KEV_REPLAY_SPEED_ONE), "");
	start(world);
	wait_for(world, "+a@1");
	assert_true(wait_for(world, "+b@2") >= 200);
	assert_true(wait_for(world, "+c@3 a@1->4") >= 300);
	assert_true(wait_for(world, "+d@5") >= 400);
}

/* Changed under way: what is left is played, and the thread ends. */
static void test_play_what_is_cut_meanwhile(void **state)
{
	struct world *world = *state;

	recording_line(&world->recording, "MODIFIED", "a", "1", 0);
	recording_line(&world->recording, "MODIFIED", "a", "2", 0);
	load(world, KEV_REPLAY_SPEED_ONE);
	world->recording.file = fopen(world->recording.path, "w");
	assert_non_null(world->recording.file);
	recording_line(&world->recording, "MODIFIED", "b", "1", 0);
	fputs("garbage", world->recording.file);
	recording_close(&world->recording);
	start(world);
	wait_for(world, "+b@1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_load_list),
		TEST(test_load_list_of_namespaces),
		TEST(test_load_up_to_the_bookmark),
		TEST(test_play_is_live),
		TEST(test_play_in_time),
		TEST(test_play_slower),
		TEST(test_play_without_times),
		TEST(test_play_extreme_times),
		TEST(test_destroy_ends_a_long_sleep),
		TEST(test_play_over_the_rest),
		TEST(test_create_refuses),
		TEST(test_create_no_file),
		TEST(test_play_a_pipe),
		TEST(test_create_where_a_pipe_cannot_be_kept),
		TEST(test_play_events),
		TEST(test_play_what_is_cut_meanwhile),
	};

	kev_log_set_level(KEV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
