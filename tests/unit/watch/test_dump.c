#include "sample.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/base/log.h"
#include "kevfs/watch/dump.h"

struct world {
	struct sample sample;
	char path[64];
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	sample_init(&world->sample);
	snprintf(world->path, sizeof(world->path), "/tmp/kevfs-test-dump-XXXXXX");
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	unlink(world->path);
	sample_fini(&world->sample);
	free(world);
	return 0;
}

static FILE *create_file(struct world *world)
{
	int fd = mkstemp(world->path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	assert_non_null(file);
	return file;
}

static int load(struct world *world, const char *text, struct kev_error *error)
{
	FILE *file = create_file(world);

	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return kev_dump_load(world->path, world->sample.store, NULL, error);
}

static int check_ctime(void *context, struct kev_event *e)
{
	(void)context;
	assert_int_equal(kev_event_ctime(e), NOON - 3600 * KEV_NS_PER_SEC + 7);
	return 0;
}

static void test_load_kubectl_list(void **state)
{
	const struct kev_store_visitor visitor = {.event = check_ctime};
	struct world *world = *state;
	struct kev_error error = {""};
	char text[2048];

	/* kubectl sorts keys: the kind stands behind the items. */
	snprintf(text, sizeof(text),
		"{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n%s\n    ],\n    \"kind\": \"List\",\n"
		"    \"metadata\": {\"resourceVersion\": \"\"}\n}\n",
		sample_event("a", "7", "Pod"));
	assert_int_equal(load(world, text, &error), 0);
	assert_string_equal(sample_changes(&world->sample), "+a@7");
	assert_string_equal(error.text, "");
	assert_int_equal(kev_store_walk(world->sample.store, &visitor), 0);
}

static void test_load_server_list(void **state)
{
	struct world *world = *state;
	char text[4096];

	snprintf(text, sizeof(text),
		"{\"kind\":\"EventList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"9\"},"
		"\"items\":[%s,%s]}",
		sample_event("a", "7", "Pod"), sample_event("b", "8", "Pod"));
	assert_int_equal(load(world, text, NULL), 0);
	assert_string_equal(sample_changes(&world->sample), "+a@7 +b@8");
}

static void test_load_empty_list(void **state)
{
	struct world *world = *state;

	assert_int_equal(load(world, "{\"kind\":\"List\",\"items\":[]}", NULL), 0);
	assert_string_equal(sample_changes(&world->sample), "");
}

static void test_load_leaves_out_others(void **state)
{
	struct world *world = *state;
	char text[4096];

	snprintf(text, sizeof(text),
		"{\"items\":[{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}},%s,{\"kind\":\"Event\"},{},"
		"{\"metadata\":{\"name\":\"n\"},\"count\":1e999},%s]}",
		sample_event("a", "7", "Pod"), sample_event("b", "8", "Pod"));
	assert_int_equal(load(world, text, NULL), 0);
	assert_string_equal(sample_changes(&world->sample), "+a@7 +b@8");
}

static void test_load_no_list(void **state)
{
	static const char *const texts[] = {"", "x", "[]", "{}", "null", "{\"items\":7}", "{\"items\":[7]}",
		"{\"metadata\":{\"name\":\"a\"}}", "[{\"kind\":\"Event\"}]", "{\"items\":[]",
		"{\"items\":[{\"a\":1}", "{\"items\":[]} x"};

	for (size_t i = 0; i < KEV_ARRAY_LEN(texts); i++) {
		struct world *world = *state;
		struct kev_error error = {""};

		assert_int_equal(load(world, texts[i], &error), -EINVAL);
		/* Which file it was. */
		assert_int_equal(strncmp(error.text, world->path, strlen(world->path)), 0);
		assert_true(strlen(error.text) > strlen(world->path) + 2);
		tear_down(state);
		set_up(state);
	}
}

static void test_load_no_file(void **state)
{
	struct world *world = *state;
	struct kev_error error = {""};

	assert_int_equal(kev_dump_load("/nonexistent/dump", world->sample.store, NULL, &error), -ENOENT);
	assert_string_equal(error.text, "/nonexistent/dump: No such file or directory");
	assert_int_equal(kev_dump_load("/", world->sample.store, NULL, &error), -EISDIR);
	assert_string_equal(error.text, "/: Is a directory");
}

/* Append a line as the API server writes it, or as kubectl may. */
static char *put_line(char *end, bool pretty, const char *type, const char *object)
{
	if (pretty)
		return end + sprintf(end, "{\n    \"object\": %s,\n    \"type\": \"%s\"\n}\n", object, type);
	return end + sprintf(end, "{\"type\":\"%s\",\"object\":%s}\n", type, object);
}

/* All lines, one behind the other: what is there in the end. */
static void test_load_recording(void **state)
{
	for (int pretty = 0; pretty < 2; pretty++) {
		struct world *world = *state;
		const struct kev_store_visitor visitor = {.event = check_ctime};
		char text[8192], *end = text;

		end = put_line(end, pretty, "ADDED", sample_event("a", "5", "Pod"));
		end = put_line(end, pretty, "ADDED", sample_event("b", "6", "Pod"));
		end = put_line(end, pretty, "MODIFIED", sample_event("a", "7", "Pod"));
		end = put_line(end, pretty, "BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"8\"}}");
		end = put_line(end, pretty, "DELETED", sample_event("b", "9", "Pod"));
		end = put_line(end, pretty, "ERROR", "{\"kind\":\"Status\",\"message\":\"expired\"}");
		/* as when kubectl is interrupted */
		strcpy(end, "{\"type\":\"ADDED\",\"obj");
		assert_int_equal(load(world, text, NULL), 0);
		assert_string_equal(sample_changes(&world->sample), "+a@5 +b@6 a@5->7 -b@6");
		/* As from a list of that moment. */
		assert_int_equal(kev_store_walk(world->sample.store, &visitor), 0);
		tear_down(state);
		set_up(state);
	}
}

static void test_load_recording_leaves_out_others(void **state)
{
	struct world *world = *state;
	char text[8192];

	snprintf(text, sizeof(text),
		"{\"type\":\"ADDED\",\"object\":%s}"
		"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}}"
		"{\"type\":\"DELETED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"ns\","
		"\"name\":\"a\"}}}"
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"n\"},\"count\":1e999}}"
		"{\"type\":\"later\",\"object\":{}}",
		sample_event("a", "1", "Pod"));
	assert_int_equal(load(world, text, NULL), 0);
	assert_string_equal(sample_changes(&world->sample), "+a@1");
}

static void test_load_recording_deletes_a_name_of_any_length(void **state)
{
	struct world *world = *state;
	struct kev_store_counts counts;
	char name[5000], text[12000];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text),
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"%s\"}}}"
		"{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"%s\"}}}",
		name, name);
	assert_int_equal(load(world, text, NULL), 0);
	kev_store_counts(world->sample.store, &counts);
	assert_int_equal(counts.events, 0);
	/* It was there. */
	assert_int_equal(strncmp(sample_changes(&world->sample), "+nnn", 4), 0);
}

static void test_load_recording_that_is_broken(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{"{\"type\":\"ADDED\",\"object\":{}}\n{}",
			"line 2 (byte 29): no line of a watch: it has no \"type\" and \"object\""},
		{"{\"object\":{},\"type\":\"ADDED\"}\n\x1b[2J",
			"line 2 (byte 29): expected '{': there is nothing but objects here"},
		{"{\"type\":\"ADDED\",\"object\":{\"\x1b\"}}", "line 1 (byte 0): JSON, byte 27: "},
		{"{\"type\":\"ADDED\"", "line 1 (byte 0): the text is broken off"},
		{"{\"kind\":\"Event\",\"metadata\":{\"name\":\"a\"}}\n{\"type\":\"ADDED\",\"object\":{}}\n",
			"line 2 (byte 41): no single Event, as those before it are: a line of a watch"},
		{"{\"kind\":\"Event\",\"metadata\":{\"name\":\"a\"}}\n\n{\"kind\":\"List\",\"items\":null}",
			"line 3 (byte 42): no single Event, as those before it are: a list"},
		{"{\"kind\":\"Event\"}\n[]",
			"line 2 (byte 17): expected '{': there is nothing but objects here"},
		{"{\"kind\":\"Event\"}\n{\"a\":\x1b}", "line 2 (byte 17): JSON, byte 5: "},
		{" {\"kind\":\"Event\",", "line 1 (byte 1): the text is broken off"},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct world *world = *state;
		struct kev_error error = {""};
		char expected[256];

		assert_int_equal(load(world, cases[i].text, &error), -EINVAL);
		snprintf(expected, sizeof(expected), "%s: %s", world->path, cases[i].reason);
		assert_int_equal(strncmp(error.text, expected, strlen(expected)), 0);
		assert_null(strchr(error.text, '\x1b'));
		tear_down(state);
		set_up(state);
	}
}

/* Every revision is put, in order; nothing is ever deleted. */
static void test_load_events(void **state)
{
	static const struct {
		const char *before, *behind;
	} forms[] = {
		/* events.jsonl; kubectl get -w -o json; something else's order. */
		{"{\"kind\":\"Event\",", "\n"},
		{"{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Event\",\n    ", "\n"},
		{"{\"type\":\"Normal\",\"kind\":\"Event\",", ""},
	};

	for (size_t i = 0; i < KEV_ARRAY_LEN(forms); i++) {
		struct world *world = *state;
		const struct kev_store_visitor visitor = {.event = check_ctime};
		static const char *const revisions[][2] = {
			{"a", "5"}, {"b", "6"}, {"a", "7"}, {"a", "7"}, {"b", "3"}, {"b", "7"}};
		char text[8192], *end = text;

		for (size_t j = 0; j < KEV_ARRAY_LEN(revisions); j++)
			end += sprintf(end, "%s%s%s", forms[i].before,
				sample_event(revisions[j][0], revisions[j][1], "Pod") + 1, forms[i].behind);
		/* as when whoever wrote it was interrupted */
		strcpy(end, "{\"kind\":\"Ev");
		assert_int_equal(load(world, text, NULL), 0);
		assert_string_equal(sample_changes(&world->sample), "+a@5 +b@6 a@5->7 b@6->3 b@3->7");
		tear_down(state);
		set_up(state);
		/* As from a list of that moment, where it is the first of its name. */
		world = *state;
		snprintf(text, sizeof(text), "%s%s", forms[i].before, sample_event("a", "7", "Pod") + 1);
		assert_int_equal(load(world, text, NULL), 0);
		assert_int_equal(kev_store_walk(world->sample.store, &visitor), 0);
		assert_string_equal(sample_changes(&world->sample), "+a@7");
		tear_down(state);
		set_up(state);
	}
}

static void test_load_events_leaves_out_others(void **state)
{
	struct world *world = *state;
	char text[8192];

	snprintf(text, sizeof(text),
		"{\"kind\":\"Event\",%s\n{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}\n{}\n%s\n"
		"{\"kind\":\"Event\",\"metadata\":{\"namespace\":\"ns\",\"name\":\"a\"},\"count\":1e999}",
		sample_event("a", "1", "Pod") + 1, sample_event("b", "2", "Pod"));
	assert_int_equal(load(world, text, NULL), 0);
	/* What cannot be shown must not leave its older revision standing. */
	assert_string_equal(sample_changes(&world->sample), "+a@1 +b@2 -a@1");
}

/* Larger than what is read at once, and larger than what is held. */
static void test_load_large(void **state)
{
	struct world *world = *state;
	FILE *file = create_file(world);
	struct kev_store_counts counts;
	char name[32];

	fputs("{\"items\":[", file);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		fprintf(file, "%s%s", i ? ",\n" : "", sample_event(name, "7", "Pod"));
	}
	fputs("]}", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(kev_dump_load(world->path, world->sample.store, NULL, NULL), 0);
	kev_store_counts(world->sample.store, &counts);
	assert_int_equal(counts.events, 20000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_load_kubectl_list),
		TEST(test_load_server_list),
		TEST(test_load_empty_list),
		TEST(test_load_leaves_out_others),
		TEST(test_load_no_list),
		TEST(test_load_recording),
		TEST(test_load_recording_leaves_out_others),
		TEST(test_load_recording_deletes_a_name_of_any_length),
		TEST(test_load_recording_that_is_broken),
		TEST(test_load_events),
		TEST(test_load_events_leaves_out_others),
		TEST(test_load_no_file),
		TEST(test_load_large),
	};

	kev_log_set_level(KEV_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
