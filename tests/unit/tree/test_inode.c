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

	assert_int_equal(kev_inodes_take(inodes, (struct kev_place){role, thing}, &node), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_root),
		cmocka_unit_test(test_take_same_place),
		cmocka_unit_test(test_forget_counts),
		cmocka_unit_test(test_forget_too_many),
		cmocka_unit_test(test_take_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
