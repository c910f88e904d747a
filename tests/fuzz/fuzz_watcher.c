/*
 * Any bytes as what a server answers to whatever a watcher asks, one answer behind the other: separated by a
 * NUL, with two bytes before each that say how it comes. Whatever it says, the watcher goes on: it asks, or
 * it waits, or it has failed for good, and said why.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "http_stub.h"
#include "kevfs/base/log.h"
#include "kevfs/watch/watcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	int64_t now;
	struct kev_http http;
	struct kev_intake *intake;
	bool holding, live;
	int failed;
};

static int64_t read_clock(void *context)
{
	return *(int64_t *)context;
}

static uint32_t no_random(void *context)
{
	(void)context;
	return 0;
}

static bool on_unknown(void *context)
{
	struct world *world = context;

	world->holding = true;
	return true;
}

static void on_failed(void *context, struct kev_watcher *watcher, int result, const struct kev_error *why)
{
	struct world *world = context;

	check(!kev_watcher_settled(watcher) && world->failed++ == 0, "failed where it must not");
	check(result < 0 && why->text[0], "failed without a reason");
}

/* Answer what is asked. @return what is left */
static struct kev_str answer(struct world *world, struct kev_str rest)
{
	static const int statuses[] = {200, 200, 200, 200, 200, 200, 401, 403, 404, 410, 429, 500, 503};
	static const int errors[] = {0, 0, 0, 0, -ECONNRESET, -ETIMEDOUT, -EPROTO};
	const char *end = memchr(rest.data, '\0', rest.len);
	struct kev_str piece = {rest.data, end ? (size_t)(end - rest.data) : rest.len};
	struct kev_http_response head = {.status = 200, .retry_after = -1};
	size_t part = SIZE_MAX;
	int error = 0;

	rest.data += piece.len + (end ? 1 : 0);
	rest.len -= piece.len + (end ? 1 : 0);
	if (piece.len >= 2) {
		unsigned char how = (unsigned char)piece.data[0], when = (unsigned char)piece.data[1];

		head.status = statuses[how % KEV_ARRAY_LEN(statuses)];
		error = errors[how / KEV_ARRAY_LEN(statuses) % KEV_ARRAY_LEN(errors)];
		part = when % 16 ? when % 16 : SIZE_MAX;
		world->now += (int64_t)(when / 16) * KEV_NS_PER_SEC;
		piece.data += 2;
		piece.len -= 2;
	}
	answer_first(&world->http, &head, piece, part, error);
	return rest;
}

static void run(struct world *world, struct kev_watcher *watcher, struct kev_str rest)
{
	kev_watcher_start(watcher);
	while (rest.len > 0 && !world->failed) {
		if (world->http.first) {
			check(!world->http.first->next, "two requests at once");
			rest = answer(world, rest);
		} else {
			check(kev_watcher_deadline(watcher) < INT64_MAX, "nothing is asked or waited for");
			world->now = kev_watcher_deadline(watcher);
			kev_watcher_tick(watcher, world->now);
		}
		if (world->holding)
			kev_intake_release(world->intake);
		if (kev_intake_take_lost(world->intake))
			kev_watcher_relist(watcher);
		world->holding = false;
		check(!kev_watcher_denied(watcher) || !kev_watcher_listed(watcher), "denied, and listed");
		check(!kev_watcher_listed(watcher) || kev_watcher_settled(watcher),
			"listed, and not settled");
		if (kev_watcher_settled(watcher) && !world->live)
			kev_intake_go_live(world->intake);
		world->live = kev_watcher_settled(watcher);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {.now = 1795737600 * KEV_NS_PER_SEC};
	struct kev_clock clock = {read_clock, read_clock, read_clock, &world.now};
	struct kev_changes *changes = kev_changes_create(1);
	struct kev_store *store = changes ? kev_store_create(&clock, changes) : NULL;
	struct kev_health *health = kev_health_create(&clock);
	struct kev_watcher_config config = {.http = &world.http,
		.clock = &clock,
		.store = store,
		.health = health,
		.server = "https://server",
		.idle_timeout = 30,
		.random = no_random,
		.failed = on_failed,
		.context = &world};
	struct kev_watcher *watcher;

	if (size == 0) {
		kev_health_destroy(health);
		kev_store_destroy(store);
		kev_changes_destroy(changes);
		return 0;
	}
	/* The first byte says what is watched. */
	kev_log_set_level(KEV_LOG_ERROR);
	config.kind = (enum kev_scope_kind)(data[0] % 3);
	config.patient = data[0] & 0x80;
	config.shown = data[0] & 0x40;
	config.hurried = data[0] & 0x20;
	world.http.last = &world.http.first;
	check(store && health, "no memory");
	world.intake = config.intake = kev_intake_create(store, on_unknown, &world);
	watcher = kev_watcher_create(&config);
	check(watcher != NULL, "no memory");
	run(&world, watcher, (struct kev_str){(const char *)data + 1, size - 1});
	kev_watcher_destroy(watcher);
	check(!world.http.first, "a request that is nobody's");
	kev_intake_destroy(world.intake);
	kev_health_destroy(health);
	kev_store_destroy(store);
	kev_changes_destroy(changes);
	return 0;
}
