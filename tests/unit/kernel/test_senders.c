/*
 * Who sends, without a kernel: the nodes that are held are those that the test says, and time stands still
 * but for what the test adds to it.
 */
#include "../nomem.h"
#include "../test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/kernel/senders.h"

#define SENT_MAX 4096
#define NODES 64

struct world {
	int64_t now; /* both clocks; the pushing thread's own */
	struct kev_clock clock;
	struct kev_senders *senders;
	_Atomic int64_t halted_since; /* as who waits was told it last */
	atomic_uint told;             /* how often it was */

	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t cond;
	bool held[NODES];
	unsigned inside[NODES]; /* are in send() with that node */
	size_t sent_count;
	struct kev_stale sent[SENT_MAX];
};

static int64_t read_clock(void *context)
{
	return ((struct world *)context)->now;
}

static void on_send(void *context, const struct kev_stale *stale)
{
	struct world *world = context;

	pthread_mutex_lock(&world->lock);
	world->inside[stale->node]++;
	pthread_cond_broadcast(&world->cond);
	while (world->held[stale->node])
		pthread_cond_wait(&world->cond, &world->lock);
	world->inside[stale->node]--;
	assert_true(world->sent_count < SENT_MAX);
	world->sent[world->sent_count++] = *stale;
	pthread_cond_broadcast(&world->cond);
	pthread_mutex_unlock(&world->lock);
}

/* It may ask. */
static void on_waiting(void *context)
{
	struct world *world = context;
	struct kev_senders_held held;

	kev_senders_held(world->senders, &held);
	atomic_store(&world->halted_since, held.halted_since);
	atomic_fetch_add(&world->told, 1);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->now = KEV_NS_PER_SEC;
	world->clock = (struct kev_clock){
		.realtime = read_clock, .monotonic = read_clock, .boottime = read_clock, .context = world};
	pthread_mutex_init(&world->lock, NULL);
	pthread_cond_init(&world->cond, NULL);
	world->senders = kev_senders_create(&(struct kev_senders_config){
		.send = on_send, .waiting = on_waiting, .context = world, .clock = &world->clock});
	*state = world;
	return !world->senders || kev_senders_start(world->senders) != 0;
}

static void set_held(struct world *world, uint64_t node, bool held)
{
	pthread_mutex_lock(&world->lock);
	world->held[node] = held;
	pthread_cond_broadcast(&world->cond);
	pthread_mutex_unlock(&world->lock);
}

static int teardown(void **state)
{
	struct world *world = *state;

	for (uint64_t node = 0; node < NODES; node++)
		set_held(world, node, false);
	kev_senders_destroy(world->senders);
	pthread_cond_destroy(&world->cond);
	pthread_mutex_destroy(&world->lock);
	free(world);
	return 0;
}

static void push(struct world *world, uint64_t node, const char *name)
{
	struct kev_stale stale = {.kind = *name ? KEV_STALE_ENTRY : KEV_STALE_LISTING, .node = node};

	snprintf(stale.name, sizeof(stale.name), "%s", name);
	kev_senders_push(world->senders, &stale);
}

/* Wait until somebody sends for the node. */
static void await_inside(struct world *world, uint64_t node)
{
	pthread_mutex_lock(&world->lock);
	while (!world->inside[node])
		pthread_cond_wait(&world->cond, &world->lock);
	pthread_mutex_unlock(&world->lock);
}

static void await_sent(struct world *world, size_t count)
{
	pthread_mutex_lock(&world->lock);
	while (world->sent_count < count)
		pthread_cond_wait(&world->cond, &world->lock);
	pthread_mutex_unlock(&world->lock);
}

/* Somebody holds the node, and it is found out. */
static void hold(struct world *world, uint64_t node)
{
	set_held(world, node, true);
	push(world, node, "held");
	kev_senders_wake(world->senders);
	await_inside(world, node);
	assert_true(kev_senders_tend(world->senders));
	world->now += 50 * KEV_NS_PER_MS;
	assert_true(kev_senders_tend(world->senders));
}

static void assert_sent(struct world *world, size_t at, uint64_t node, const char *name)
{
	pthread_mutex_lock(&world->lock);
	assert_true(at < world->sent_count);
	assert_int_equal(world->sent[at].node, node);
	assert_string_equal(world->sent[at].name, name);
	pthread_mutex_unlock(&world->lock);
}

/* Let the node go, and wait until nothing is held any more. */
static void let_go(struct world *world, uint64_t node, size_t sent)
{
	set_held(world, node, false);
	await_sent(world, sent);
}

static void test_order(void **state)
{
	struct world *world = *state;
	char name[32];

	for (int i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		push(world, (uint64_t)i % 7, name);
	}
	kev_senders_flush(world->senders);
	assert_int_equal(world->sent_count, 4000);
	for (int i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_sent(world, (size_t)i, (uint64_t)i % 7, name);
	}
	assert_false(kev_senders_tend(world->senders));
}

static void test_all_of_it_arrives(void **state)
{
	struct world *world = *state;
	const struct kev_stale size = {.kind = KEV_STALE_ATTR, .node = 3, .offset = 12345};

	kev_senders_push(world->senders, &size);
	push(world, 3, "");
	kev_senders_flush(world->senders);
	assert_int_equal(world->sent[0].kind, KEV_STALE_ATTR);
	assert_int_equal(world->sent[0].offset, 12345);
	assert_string_equal(world->sent[0].name, "");
	assert_int_equal(world->sent[1].kind, KEV_STALE_LISTING);
}

static void test_one_held_holds_no_other(void **state)
{
	struct world *world = *state;

	hold(world, 7);
	push(world, 8, "other");
	push(world, 7, "b");
	push(world, 7, "");
	push(world, 7, "b");
	push(world, 8, "another");
	push(world, 7, "c");
	kev_senders_flush(world->senders);
	assert_int_equal(world->sent_count, 2);
	assert_sent(world, 0, 8, "other");
	assert_sent(world, 1, 8, "another");
	assert_true(kev_senders_tend(world->senders));
	/* Each once, in their order, behind the one that was held. */
	let_go(world, 7, 6);
	assert_sent(world, 2, 7, "held");
	assert_sent(world, 3, 7, "b");
	assert_sent(world, 4, 7, "");
	assert_sent(world, 5, 7, "c");
	while (kev_senders_tend(world->senders))
		;
	push(world, 7, "d");
	kev_senders_flush(world->senders);
	assert_int_equal(world->sent_count, 7);
}

/* One that takes its time is no reason for anything. */
static void test_slow_is_not_held(void **state)
{
	struct world *world = *state;
	struct kev_senders_held held;
	uint64_t node = 0;

	set_held(world, 7, true);
	push(world, 7, "slow");
	kev_senders_wake(world->senders);
	await_inside(world, 7);
	assert_true(kev_senders_tend(world->senders));
	world->now += 49 * KEV_NS_PER_MS;
	assert_true(kev_senders_tend(world->senders));
	push(world, 8, "behind");
	kev_senders_wake(world->senders);
	let_go(world, 7, 2);
	assert_sent(world, 0, 7, "slow");
	assert_false(kev_senders_take_held(world->senders, &node));
	kev_senders_held(world->senders, &held);
	assert_int_equal(held.count, 0);
}

static void test_report(void **state)
{
	struct world *world = *state;
	struct kev_senders_held held;
	uint64_t node = 0;
	int64_t since;

	hold(world, 7);
	since = world->now;
	world->now += 100 * KEV_NS_PER_MS;
	hold(world, 9);
	assert_false(kev_senders_take_held(world->senders, &node));
	kev_senders_held(world->senders, &held);
	assert_int_equal(held.count, 0);
	assert_int_equal(held.since, 0);
	world->now = since + KEV_SENDERS_REPORT_MS * KEV_NS_PER_MS;
	assert_true(kev_senders_take_held(world->senders, &node));
	assert_int_equal(node, 7);
	assert_false(kev_senders_take_held(world->senders, &node));
	kev_senders_held(world->senders, &held);
	assert_int_equal(held.count, 1);
	assert_int_equal(held.since, since);
	world->now += KEV_NS_PER_SEC;
	kev_senders_held(world->senders, &held);
	assert_int_equal(held.count, 2);
	assert_int_equal(held.since, since);
	let_go(world, 7, 1);
	let_go(world, 9, 2);
	while (kev_senders_tend(world->senders))
		;
	kev_senders_held(world->senders, &held);
	assert_int_equal(held.count, 0);
}

static void test_too_much_to_keep(void **state)
{
	struct world *world = *state;
	uint64_t node = 0;
	char name[32];

	hold(world, 7);
	for (int i = 0; i < KEV_SENDERS_KEPT_MAX + 1; i++) {
		snprintf(name, sizeof(name), "%d", i);
		push(world, 7, name);
	}
	push(world, 8, "other");
	kev_senders_flush(world->senders);
	assert_int_equal(world->sent_count, 1);
	assert_false(kev_senders_take_lost(world->senders, &node));
	let_go(world, 7, 2);
	while (!kev_senders_take_lost(world->senders, &node))
		assert_true(kev_senders_tend(world->senders));
	assert_int_equal(node, 7);
	assert_false(kev_senders_take_lost(world->senders, &node));
	while (kev_senders_tend(world->senders))
		;
	/* None of what was kept: the refresh names it, too. */
	assert_int_equal(world->sent_count, 2);
	push(world, 7, "again");
	kev_senders_flush(world->senders);
	assert_sent(world, 2, 7, "again");
}

static void test_nothing_kept_without_memory(void **state)
{
	struct world *world = *state;
	uint64_t node = 0;

	set_held(world, 7, true);
	push(world, 7, "held");
	kev_senders_wake(world->senders);
	await_inside(world, 7);
	kev_senders_tend(world->senders);
	world->now += 50 * KEV_NS_PER_MS;
	nomem_fail_in(1);
	kev_senders_tend(world->senders);
	assert_true(nomem_end());
	push(world, 7, "lost");
	push(world, 8, "other");
	kev_senders_flush(world->senders);
	assert_sent(world, 0, 8, "other");
	set_held(world, 7, false);
	while (!kev_senders_take_lost(world->senders, &node))
		assert_true(kev_senders_tend(world->senders));
	assert_int_equal(node, 7);
}

/* All that can be held are: who lets go goes on with the rest. */
static void test_all_held(void **state)
{
	struct world *world = *state;

	for (uint64_t node = 1; node <= KEV_SENDERS_MAX; node++)
		hold(world, node);
	push(world, 40, "other");
	kev_senders_wake(world->senders);
	world->now += 50 * KEV_NS_PER_MS;
	assert_true(kev_senders_tend(world->senders));
	assert_int_equal(world->sent_count, 0);
	set_held(world, 5, false);
	await_sent(world, 2);
	assert_sent(world, 0, 5, "held");
	assert_sent(world, 1, 40, "other");
	kev_senders_flush(world->senders);
}

static int64_t halted_since(struct world *world)
{
	struct kev_senders_held held;

	kev_senders_held(world->senders, &held);
	return held.halted_since;
}

/* It is known since when nothing goes on, and that it does again. */
static void test_halted(void **state)
{
	struct world *world = *state;

	for (uint64_t node = 1; node < KEV_SENDERS_MAX; node++)
		hold(world, node);
	assert_int_equal(halted_since(world), 0);
	hold(world, KEV_SENDERS_MAX);
	assert_int_equal(halted_since(world), world->now);
	world->now += 50 * KEV_NS_PER_MS;
	kev_senders_tend(world->senders);
	assert_int_equal(halted_since(world), world->now - 50 * KEV_NS_PER_MS);
	let_go(world, 5, 1);
	while (halted_since(world))
		kev_senders_tend(world->senders);
	push(world, 40, "other");
	kev_senders_flush(world->senders);
	assert_sent(world, 1, 40, "other");
}

static void *push_many(void *context)
{
	struct world *world = context;

	for (int i = 0; i < 3000; i++)
		push(world, 40, "x");
	return NULL;
}

static void await_told(struct world *world, bool halted)
{
	const struct timespec tick = {0, KEV_NS_PER_MS};

	while (!atomic_load(&world->told) || (atomic_load(&world->halted_since) != 0) != halted)
		nanosleep(&tick, NULL);
}

/* Who pushes waits, and is told why; until somebody comes free, also one of whose directory all was lost. */
static void test_halted_while_pushing(void **state)
{
	struct world *world = *state;
	uint64_t node = 0, nodes = 0;
	pthread_t thread;
	char name[32];

	for (uint64_t held = 1; held < KEV_SENDERS_MAX; held++) {
		hold(world, held);
		for (int i = 0; i <= KEV_SENDERS_KEPT_MAX; i++) {
			snprintf(name, sizeof(name), "%d", i);
			push(world, held, name);
		}
		kev_senders_flush(world->senders);
	}
	hold(world, KEV_SENDERS_MAX);
	atomic_store(&world->told, 0);
	assert_int_equal(pthread_create(&thread, NULL, push_many, world), 0);
	await_told(world, true);
	set_held(world, 5, false);
	pthread_join(thread, NULL);
	await_told(world, false);
	for (uint64_t held = 1; held < KEV_SENDERS_MAX; held++)
		set_held(world, held, false);
	while (nodes != (1U << KEV_SENDERS_MAX) - 2) {
		kev_senders_tend(world->senders);
		if (!kev_senders_take_lost(world->senders, &node))
			continue;
		/* Each once. */
		assert_int_equal(nodes & 1U << node, 0);
		nodes |= 1U << node;
	}
	assert_false(kev_senders_take_lost(world->senders, &node));
}

/* Without memory to remember what was lost, nobody else is used for it. */
static void test_lost_without_memory(void **state)
{
	struct world *world = *state;
	uint64_t node = 0;
	char name[32];

	hold(world, 7);
	for (int i = 0; i <= KEV_SENDERS_KEPT_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		push(world, 7, name);
	}
	kev_senders_flush(world->senders);
	for (uint64_t held = 8; held < 8 + KEV_SENDERS_MAX - 1; held++)
		hold(world, held);
	let_go(world, 7, 1);
	do {
		nomem_fail_in(1);
		kev_senders_tend(world->senders);
	} while (!nomem_end());
	assert_int_not_equal(halted_since(world), 0);
	kev_senders_tend(world->senders);
	assert_int_equal(halted_since(world), 0);
	assert_true(kev_senders_take_lost(world->senders, &node));
	assert_int_equal(node, 7);
	push(world, 7, "again");
	kev_senders_flush(world->senders);
	assert_sent(world, 1, 7, "again");
}

/* Who pushes waits no more. */
static void test_stop(void **state)
{
	struct world *world = *state;
	pthread_t thread;

	for (uint64_t node = 1; node <= KEV_SENDERS_MAX; node++)
		hold(world, node);
	assert_int_equal(pthread_create(&thread, NULL, push_many, world), 0);
	assert_false(kev_senders_stop(world->senders, 10));
	pthread_join(thread, NULL);
	for (uint64_t node = 1; node <= KEV_SENDERS_MAX; node++)
		set_held(world, node, false);
	assert_true(kev_senders_stop(world->senders, 10000));
	push(world, 40, "too late");
	kev_senders_flush(world->senders);
}

static int create(void *context)
{
	const struct kev_senders_config config = {.send = on_send};
	struct kev_senders *senders = kev_senders_create(&config);

	(void)context;
	kev_senders_destroy(senders);
	return senders ? 0 : -ENOMEM;
}

static void test_create_without_memory(void **state)
{
	(void)state;
	assert_int_equal(nomem_fail_each(create, NULL), 2);
	kev_senders_destroy(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_order),
		TEST(test_all_of_it_arrives),
		TEST(test_one_held_holds_no_other),
		TEST(test_slow_is_not_held),
		TEST(test_report),
		TEST(test_too_much_to_keep),
		TEST(test_nothing_kept_without_memory),
		TEST(test_all_held),
		TEST(test_halted),
		TEST(test_halted_while_pushing),
		TEST(test_lost_without_memory),
		TEST(test_stop),
		cmocka_unit_test(test_create_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
