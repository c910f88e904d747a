#include "sample.h"

#include <errno.h>

#include "../words.h"
#include "kevfs/watch/names.h"

static int set_up(void **state)
{
	struct sample *sample = calloc(1, sizeof(*sample));

	assert_non_null(sample);
	sample_init(sample);
	*state = sample;
	return 0;
}

static int tear_down(void **state)
{
	sample_fini(*state);
	free(*state);
	return 0;
}

static void put(struct sample *sample, const char *name, int64_t created)
{
	assert_int_equal(kev_store_put_namespace(sample->store, kev_str_c(name), created), 0);
}

static void test_collect_sorts(void **state)
{
	struct sample *sample = *state;
	struct kev_names names = {NULL, 0, 0};
	char text[16];

	for (int i = 199; i >= 0; i--) {
		snprintf(text, sizeof(text), "n%03d", i);
		put(sample, text, 0);
	}
	assert_int_equal(kev_names_collect(sample->store, &names), 0);
	assert_int_equal(names.count, 200);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "n%03d", i);
		assert_string_equal(names.list[i].text, text);
		assert_false(names.list[i].taken);
		assert_ptr_equal(kev_names_find(&names, text), &names.list[i]);
	}
	assert_null(kev_names_find(&names, "n"));
	assert_null(kev_names_find(&names, "n0000"));
	assert_null(kev_names_find(&names, "z"));
	kev_names_fini(&names);
}

static void test_collect_permitted(void **state)
{
	struct sample *sample = *state;
	struct kev_names names = {NULL, 0, 0};

	put(sample, "a", 0);
	put(sample, "b", 0);
	assert_int_equal(kev_store_permit(sample->store, KEV_STR("unknown"), true), 0);
	assert_int_equal(kev_store_permit(sample->store, KEV_STR("b"), true), 0);
	assert_int_equal(kev_names_collect_permitted(sample->store, &names), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.list[0].text, "b");
	assert_string_equal(names.list[1].text, "unknown");
	kev_names_fini(&names);
}

static void test_collect_nothing(void **state)
{
	struct sample *sample = *state;
	struct kev_names names = {NULL, 0, 0};

	assert_int_equal(kev_names_collect(sample->store, &names), 0);
	assert_int_equal(names.count, 0);
	assert_null(kev_names_find(&names, ""));
	kev_names_fini(&names);
}

static void put_event(struct sample *sample, const char *name)
{
	struct kev_json *json = kev_json_create();
	struct kev_event *event = NULL;
	struct kev_error error = {""};

	assert_non_null(json);
	assert_int_equal(kev_json_scan(json, kev_str_c(sample_event(name, "1", "Pod")), &error), 0);
	assert_int_equal(kev_event_create(json, 0, words(), &event, &error), 0);
	kev_json_destroy(json);
	assert_int_equal(kev_store_put(sample->store, event, KEV_ORIGIN_LIVE), 0);
}

static void test_guess(void **state)
{
	struct sample *sample = *state;

	put_event(sample, "a");
	put_event(sample, "b");
	sample_changes(sample);
	assert_int_equal(kev_names_guess(sample->store, "own"), 0);
	assert_string_equal(sample_changes(sample), "+namespace ns +namespace own");
	assert_int_equal(kev_names_guess(sample->store, ""), -EINVAL);
}

/* What is known already, is known better. */
static void test_guess_keeps_what_is_known(void **state)
{
	struct sample *sample = *state;

	put(sample, "ns", NOON);
	put_event(sample, "a");
	sample_changes(sample);
	assert_int_equal(kev_names_guess(sample->store, "ns"), 0);
	assert_string_equal(sample_changes(sample), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_collect_sorts),
		TEST(test_collect_permitted),
		TEST(test_collect_nothing),
		TEST(test_guess),
		TEST(test_guess_keeps_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
