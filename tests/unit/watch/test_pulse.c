#include "http_stub.h"

#include "kevfs/watch/pulse.h"

#define S KEV_NS_PER_SEC

struct world {
	struct kev_http *http;
	struct kev_pulse *pulse;
	struct kev_http_transfer *watch;
};

static int done(void *context, struct kev_str piece)
{
	(void)context, (void)piece;
	return 0;
}

static void on_end(void *context, const struct kev_http_result *result)
{
	(void)context, (void)result;
}

/* A watch that was heard of at 100 s. */
static int set_up(void **state)
{
	static const struct kev_http_request request = {
		.path = "/watch", .accept = "*/*", .body = done, .done = on_end};
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(kev_http_create(NULL, NULL, "kevfs/test", &world->http, NULL), 0);
	world->pulse = kev_pulse_create(world->http);
	assert_non_null(world->pulse);
	assert_int_equal(kev_pulse_deadline(world->pulse), INT64_MAX);
	assert_int_equal(kev_http_start(world->http, &request, &world->watch), 0);
	world->watch->heard = 100 * S;
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	kev_pulse_destroy(world->pulse);
	if (world->http->first)
		kev_http_cancel(world->http, world->http->first);
	kev_http_destroy(world->http);
	free(world);
	return 0;
}

static struct kev_http_transfer *asked(struct world *world)
{
	return stub_find(world->http, "/livez?exclude=etcd");
}

static void test_tick_asks_in_silence(void **state)
{
	struct world *world = *state;

	assert_int_equal(kev_pulse_deadline(world->pulse), 120 * S);
	kev_pulse_tick(world->pulse, 120 * S - 1);
	assert_null(asked(world));
	kev_pulse_tick(world->pulse, 120 * S);
	assert_non_null(asked(world));
	assert_int_equal(asked(world)->request.total_timeout, 15);
	assert_false(asked(world)->request.gzip);
	assert_true(asked(world)->request.prompt);
	/* One question at a time. */
	assert_int_equal(kev_pulse_deadline(world->pulse), INT64_MAX);
	kev_pulse_tick(world->pulse, 500 * S);
	assert_ptr_equal(asked(world)->next, NULL);
}

static void test_tick_whatever_is_answered(void **state)
{
	static const int codes[] = {200, 401, 403, 404, 429, 500};
	struct world *world = *state;

	for (size_t i = 0; i < KEV_ARRAY_LEN(codes); i++) {
		int64_t at = kev_pulse_deadline(world->pulse);

		kev_pulse_tick(world->pulse, at);
		assert_non_null(asked(world));
		stub_answer(world->http, asked(world), codes[i], "ok");
		world->watch->heard = at + 1;
		assert_int_equal(kev_pulse_deadline(world->pulse), at + 1 + 20 * S);
	}
	assert_ptr_equal(world->http->first, world->watch);
}

/* The answer may have come on another connection than that which is silent; it is asked no more often. */
static void test_tick_of_another_connection(void **state)
{
	struct world *world = *state;

	kev_pulse_tick(world->pulse, 125 * S);
	stub_answer(world->http, asked(world), 200, "ok");
	assert_int_equal(kev_pulse_deadline(world->pulse), 145 * S);
}

static void test_tick_long_answer_and_none(void **state)
{
	struct world *world = *state;
	static char page[5000];

	memset(page, 'x', sizeof(page) - 1);
	kev_pulse_tick(world->pulse, 120 * S);
	stub_head(asked(world), 200);
	stub_body(world->http, asked(world), page);
	assert_null(asked(world));
	kev_pulse_tick(world->pulse, 140 * S);
	stub_done(world->http, asked(world), -ETIMEDOUT, "https://server: not done within 15 s");
	assert_null(asked(world));
	assert_int_equal(kev_pulse_deadline(world->pulse), 160 * S);
}

static void test_tick_without_memory(void **state)
{
	struct world *world = *state;

	world->http->fail_starts = 1;
	kev_pulse_tick(world->pulse, 120 * S);
	assert_null(asked(world));
	assert_int_equal(kev_pulse_deadline(world->pulse), 140 * S);
	kev_pulse_tick(world->pulse, 140 * S);
	assert_non_null(asked(world));
}

static void test_destroy_ends_the_question(void **state)
{
	struct world *world = *state;

	kev_pulse_tick(world->pulse, 120 * S);
	kev_pulse_destroy(world->pulse);
	world->pulse = NULL;
	assert_null(asked(world));
	kev_pulse_destroy(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_tick_asks_in_silence),
		TEST(test_tick_whatever_is_answered),
		TEST(test_tick_of_another_connection),
		TEST(test_tick_long_answer_and_none),
		TEST(test_tick_without_memory),
		TEST(test_destroy_ends_the_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
