#include "../test.h"

#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/stale.h"

static void nothing(void *item)
{
	(void)item;
}

static struct kev_place parent(void *item);

static const struct kev_role root_role = {.type = KEV_NODE_DIR, .hold = nothing, .drop = nothing};
static const struct kev_role role = {
	.type = KEV_NODE_DIR, .parent = parent, .hold = nothing, .drop = nothing};

static int things[8];

static const struct kev_place root = {&root_role, &things[0]};

static struct kev_place parent(void *item)
{
	(void)item;
	return root;
}

struct fixture {
	struct kev_stale_batch *batch;
	struct kev_inodes *inodes;
	struct kev_stale got[KEV_STALE_BATCH_MAX];
	size_t count;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->batch = kev_stale_batch_create();
	fixture->inodes = kev_inodes_create(root);
	assert_non_null(fixture->batch);
	assert_non_null(fixture->inodes);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	kev_stale_batch_destroy(fixture->batch);
	kev_inodes_destroy(fixture->inodes);
	free(fixture);
	return 0;
}

static struct kev_place known(struct fixture *fixture, int number, uint64_t *node)
{
	struct kev_place place = {&role, &things[number]};

	assert_int_equal(kev_inodes_take(fixture->inodes, place, KEV_TREE_ROOT, node), 0);
	return place;
}

static void get(void *context, const struct kev_stale *stale)
{
	struct fixture *fixture = context;

	fixture->got[fixture->count++] = *stale;
}

static void deliver(struct fixture *fixture)
{
	fixture->count = 0;
	kev_stale_deliver(fixture->batch, get, fixture);
}

static void assert_got(
	const struct fixture *fixture, size_t at, enum kev_stale_kind kind, uint64_t node, const char *name)
{
	assert_true(at < fixture->count);
	assert_int_equal(fixture->got[at].kind, kind);
	assert_int_equal(fixture->got[at].node, node);
	assert_string_equal(fixture->got[at].name, name);
}

static void test_entry(void **state)
{
	struct fixture *fixture = *state;
	char longest[KEV_STALE_NAME_SIZE];
	uint64_t node;
	struct kev_place place = known(fixture, 1, &node);

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	kev_stale_entry(fixture->batch, fixture->inodes, place, KEV_STR("a"));
	kev_stale_entry(fixture->batch, fixture->inodes, place, kev_str_c(longest));
	kev_stale_entry(fixture->batch, fixture->inodes, root, KEV_STR("b"));
	/* What the kernel does not know is not named. */
	kev_stale_entry(fixture->batch, fixture->inodes, (struct kev_place){&role, &things[2]}, KEV_STR("c"));
	deliver(fixture);
	assert_int_equal(fixture->count, 3);
	assert_got(fixture, 0, KEV_STALE_ENTRY, node, "a");
	assert_got(fixture, 1, KEV_STALE_ENTRY, node, longest);
	assert_got(fixture, 2, KEV_STALE_ENTRY, KEV_TREE_ROOT, "b");
	deliver(fixture);
	assert_int_equal(fixture->count, 0);
}

static void test_listing_once(void **state)
{
	struct fixture *fixture = *state;

	kev_stale_listing(fixture->batch, fixture->inodes, root);
	kev_stale_listing(fixture->batch, fixture->inodes, root);
	kev_stale_attr(fixture->batch, fixture->inodes, root);
	deliver(fixture);
	assert_int_equal(fixture->count, 1);
	assert_got(fixture, 0, KEV_STALE_LISTING, KEV_TREE_ROOT, "");
	/* In the next batch it is news again. */
	kev_stale_listing(fixture->batch, fixture->inodes, root);
	deliver(fixture);
	assert_int_equal(fixture->count, 1);
}

static void test_attr_becomes_listing(void **state)
{
	struct fixture *fixture = *state;

	kev_stale_attr(fixture->batch, fixture->inodes, root);
	kev_stale_attr(fixture->batch, fixture->inodes, root);
	kev_stale_listing(fixture->batch, fixture->inodes, root);
	deliver(fixture);
	assert_int_equal(fixture->count, 1);
	assert_got(fixture, 0, KEV_STALE_LISTING, KEV_TREE_ROOT, "");
}

static void test_attr_barrier(void **state)
{
	struct fixture *fixture = *state;
	uint64_t one, two;
	struct kev_place first = known(fixture, 1, &one), second = known(fixture, 2, &two);

	kev_stale_attr(fixture->batch, fixture->inodes, first);
	kev_stale_listing(fixture->batch, fixture->inodes, first);
	kev_stale_listing(fixture->batch, fixture->inodes, second);
	deliver(fixture);
	assert_int_equal(fixture->count, 4);
	assert_got(fixture, 0, KEV_STALE_ENTRY, KEV_TREE_ROOT, KEV_STALE_BARRIER);
	assert_got(fixture, 1, KEV_STALE_LISTING, one, "");
	assert_got(fixture, 2, KEV_STALE_ENTRY, KEV_TREE_ROOT, KEV_STALE_BARRIER);
	assert_got(fixture, 3, KEV_STALE_LISTING, two, "");
	kev_stale_attr(fixture->batch, fixture->inodes, first);
	deliver(fixture);
	assert_int_equal(fixture->count, 1);
	known(fixture, 1, &one);
	kev_stale_attr(fixture->batch, fixture->inodes, first);
	deliver(fixture);
	assert_int_equal(fixture->count, 2);
}

static void test_batch_full(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i <= KEV_STALE_BATCH_MAX - KEV_STALE_CHANGE_MAX; i++) {
		assert_false(kev_stale_batch_full(fixture->batch));
		kev_stale_entry(fixture->batch, fixture->inodes, root, KEV_STR("a"));
	}
	assert_true(kev_stale_batch_full(fixture->batch));
	kev_stale_deliver(fixture->batch, NULL, NULL);
	assert_false(kev_stale_batch_full(fixture->batch));
	deliver(fixture);
	assert_int_equal(fixture->count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_entry),
		TEST(test_listing_once),
		TEST(test_attr_becomes_listing),
		TEST(test_attr_barrier),
		TEST(test_batch_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
