#include "../test.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/tree/inode.h"

/* Things that count how they are held. */
struct thing {
	int held;
};

static void hold(void *item)
{
	struct thing *thing = item;

	thing->held++;
}

static void drop(void *item)
{
	struct thing *thing = item;

	thing->held--;
}

static const struct kev_role role_a = {.type = KEV_NODE_DIR, .hold = hold, .drop = drop};
static const struct kev_role role_b = {.type = KEV_NODE_LINK, .hold = hold, .drop = drop};

static struct thing root;

static struct kev_inodes *make(void)
{
	struct kev_inodes *inodes = kev_inodes_create((struct kev_place){&role_a, &root});

	assert_non_null(inodes);
	return inodes;
}

static uint64_t take(struct kev_inodes *inodes, const struct kev_role *role, struct thing *thing)
{
	uint64_t node = 0;

	assert_int_equal(kev_inodes_take(inodes, (struct kev_place){role, thing}, KEV_TREE_ROOT, &node), 0);
	assert_true(node > KEV_TREE_ROOT);
	return node;
}

static void test_create_root(void **state)
{
	struct kev_inodes *inodes = make();
	struct kev_inode *inode = kev_inodes_find(inodes, KEV_TREE_ROOT);

	(void)state;
	assert_non_null(inode);
	assert_ptr_equal(kev_inode_place(inode).item, &root);
	assert_int_equal(kev_inode_node(inode), KEV_TREE_ROOT);
	kev_inodes_forget(inodes, KEV_TREE_ROOT, UINT64_MAX);
	assert_ptr_equal(kev_inodes_find(inodes, KEV_TREE_ROOT), inode);
	assert_null(kev_inodes_find(inodes, 0));
	assert_int_equal(kev_inodes_count(inodes), 1);
	kev_inodes_destroy(inodes);
	kev_inodes_destroy(NULL);
	assert_int_equal(root.held, 0);
}

static void test_take_same_place(void **state)
{
	struct kev_inodes *inodes = make();
	struct thing thing = {0};
	uint64_t node = take(inodes, &role_a, &thing);

	(void)state;
	assert_int_equal(take(inodes, &role_a, &thing), node);
	/* Another role is another node. */
	assert_int_not_equal(take(inodes, &role_b, &thing), node);
	assert_int_equal(thing.held, 2);
	assert_ptr_equal(kev_inodes_find_place(inodes, (struct kev_place){&role_a, &thing}),
		kev_inodes_find(inodes, node));
	kev_inodes_destroy(inodes);
	assert_int_equal(thing.held, 0);
}

static void test_forget_counts(void **state)
{
	struct kev_inodes *inodes = make();
	struct thing thing = {0};
	uint64_t node = take(inodes, &role_a, &thing);

	(void)state;
	take(inodes, &role_a, &thing);
	take(inodes, &role_a, &thing);
	kev_inodes_forget(inodes, node, 2);
	assert_non_null(kev_inodes_find(inodes, node));
	assert_int_equal(thing.held, 1);
	kev_inodes_forget(inodes, node, 1);
	assert_null(kev_inodes_find(inodes, node));
	assert_null(kev_inodes_find_place(inodes, (struct kev_place){&role_a, &thing}));
	assert_int_equal(thing.held, 0);
	/* Once more, and one that never was: nothing. */
	kev_inodes_forget(inodes, node, 1);
	kev_inodes_forget(inodes, 999, 1);
	/* A number is never given twice. */
	assert_true(take(inodes, &role_a, &thing) > node);
	kev_inodes_destroy(inodes);
}

static void test_forget_too_many(void **state)
{
	struct kev_inodes *inodes = make();
	struct thing thing = {0};
	uint64_t node = take(inodes, &role_a, &thing);

	(void)state;
	kev_inodes_forget(inodes, node, UINT64_MAX);
	assert_null(kev_inodes_find(inodes, node));
	assert_int_equal(thing.held, 0);
	kev_inodes_destroy(inodes);
}

static void test_take_many(void **state)
{
	enum { COUNT = 20000 };
	struct thing *things = calloc(COUNT, sizeof(*things));
	uint64_t *nodes = calloc(COUNT, sizeof(*nodes));
	struct kev_inodes *inodes = make();

	(void)state;
	assert_non_null(things);
	assert_non_null(nodes);
	for (size_t i = 0; i < COUNT; i++)
		nodes[i] = take(inodes, i % 2 ? &role_a : &role_b, &things[i]);
	assert_int_equal(kev_inodes_count(inodes), COUNT + 1);
	/* In an order of its own, so that gaps open everywhere. */
	for (size_t i = 0; i < COUNT; i++) {
		size_t at = i * 7919 % COUNT;

		assert_ptr_equal(kev_inode_place(kev_inodes_find(inodes, nodes[at])).item, &things[at]);
		kev_inodes_forget(inodes, nodes[at], 1);
		assert_null(kev_inodes_find(inodes, nodes[at]));
		if (i + 1 < COUNT) {
			at = (i + 1) * 7919 % COUNT;
			assert_ptr_equal(kev_inodes_find_place(inodes,
						 (struct kev_place){at % 2 ? &role_a : &role_b, &things[at]}),
				kev_inodes_find(inodes, nodes[at]));
		}
	}
	assert_int_equal(kev_inodes_count(inodes), 1);
	kev_inodes_destroy(inodes);
	free(things);
	free(nodes);
}

enum { MANY = 12000 };

/* Things that come and go. */
struct crowd {
	struct kev_inodes *inodes;
	struct thing things[MANY];
	uint64_t nodes[MANY]; /* 0: not known */
	bool stays[MANY];     /* was known when the walk began, and is still */
	bool met[MANY];       /* by the walk */
	uint64_t random;
};

static uint64_t next_random(struct crowd *crowd)
{
	crowd->random ^= crowd->random << 13;
	crowd->random ^= crowd->random >> 7;
	crowd->random ^= crowd->random << 17;
	return crowd->random;
}

static void toggle(struct crowd *crowd, size_t at)
{
	if (!crowd->nodes[at]) {
		crowd->nodes[at] = take(crowd->inodes, &role_b, &crowd->things[at]);
		return;
	}
	kev_inodes_forget(crowd->inodes, crowd->nodes[at], 1);
	crowd->nodes[at] = 0;
	crowd->stays[at] = false;
}

/* Few: nearly all that is known stays. @param all  but for a hundred: the table gets another size */
static void change(struct crowd *crowd, bool all)
{
	for (size_t i = 0; i < 20; i++)
		toggle(crowd, next_random(crowd) % MANY);
	for (size_t at = 100; at < MANY && all; at++)
		toggle(crowd, at);
}

/* Whatever comes and goes in the pauses of a walk, what stays is met. */
static void walk_once(struct crowd *crowd, unsigned *pauses)
{
	struct kev_inodes_walk walk = {0};
	const struct kev_inode *inode;

	for (size_t at = 0; at < MANY; at++) {
		crowd->stays[at] = crowd->nodes[at];
		crowd->met[at] = false;
	}
	while ((inode = kev_inodes_next(crowd->inodes, &walk))) {
		const struct thing *thing = kev_inode_place(inode).item;

		if (thing != &root)
			crowd->met[thing - crowd->things] = true;
		if (!kev_inodes_may_pause(crowd->inodes, &walk))
			continue;
		++*pauses;
		if (next_random(crowd) % 40 == 0)
			change(crowd, next_random(crowd) % 50 == 0);
	}
	for (size_t at = 0; at < MANY; at++)
		assert_true(crowd->met[at] || !crowd->stays[at]);
}

static void test_walk_while_others_come_and_go(void **state)
{
	enum { WALKS = 100 };
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	unsigned pauses = 0;

	(void)state;
	assert_non_null(crowd);
	crowd->random = 1;
	crowd->inodes = make();
	for (int i = 0; i < WALKS; i++) {
		walk_once(crowd, &pauses);
		/* All, or a few. */
		for (size_t at = 0; at < MANY && i % 10 == 0; at++) {
			if (!crowd->nodes[at] == (i % 20 == 0 || at < 500))
				toggle(crowd, at);
		}
	}
	assert_true(pauses > WALKS * 1000);
	kev_inodes_destroy(crowd->inodes);
	free(crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_root),
		cmocka_unit_test(test_take_same_place),
		cmocka_unit_test(test_forget_counts),
		cmocka_unit_test(test_forget_too_many),
		cmocka_unit_test(test_take_many),
		cmocka_unit_test(test_walk_while_others_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
