#include "../test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/hash.h"
#include "kevfs/store/table.h"

static bool match_int(const void *entry, const void *key)
{
	return *(const int *)entry == *(const int *)key;
}

/* Every hash that many entries share, and those whose homes are the ends of the table. */
static uint32_t bad_hash(int value)
{
	static const uint32_t hashes[] = {0, 0, 1, UINT32_MAX, UINT32_MAX - 1, 1U << 31, UINT32_MAX};

	return hashes[(unsigned)value % (sizeof(hashes) / sizeof(hashes[0]))];
}

static uint32_t good_hash(int value)
{
	return (uint32_t)value * 2654435761U;
}

static void test_find_empty(void **state)
{
	struct kev_table *table = kev_table_create(match_int);
	size_t position = 0;
	int key = 1;

	(void)state;
	assert_non_null(table);
	assert_null(kev_table_find(table, 0, &key));
	assert_null(kev_table_next(table, &position));
	assert_int_equal(kev_table_count(table), 0);
	kev_table_shrink(table);
	kev_table_destroy(table);
	kev_table_destroy(NULL);
}

/* Against an array that says which entries are in it, through growth, churn and shrinking. */
static void churn(uint32_t (*hash)(int value), int count, int turns)
{
	struct kev_table *table = kev_table_create(match_int);
	int *values = calloc((size_t)count, sizeof(*values));
	bool *in = calloc((size_t)count, sizeof(*in));
	size_t expected = 0, position = 0, seen = 0;
	struct kev_table_slot *slot;
	unsigned random = 1;

	assert_non_null(table);
	assert_non_null(values);
	assert_non_null(in);
	for (int i = 0; i < turns; i++) {
		int which;

		random = random * 1103515245 + 12345;
		which = (int)((random >> 8) % (unsigned)count);
		values[which] = which;
		slot = kev_table_find(table, hash(which), &which);
		assert_int_equal(slot != NULL, in[which]);
		if (slot) {
			assert_ptr_equal(slot->entry, &values[which]);
			assert_int_equal(slot->mark, (uint32_t)which + 7);
			kev_table_remove(table, slot);
			if (i % 3 == 0)
				kev_table_shrink(table);
			expected--;
		} else {
			assert_int_equal(kev_table_reserve(table), 0);
			kev_table_insert(table, hash(which), &values[which], (uint32_t)which + 7);
			expected++;
		}
		in[which] = !in[which];
		assert_int_equal(kev_table_count(table), expected);
	}
	for (int i = 0; i < count; i++)
		assert_int_equal(kev_table_find(table, hash(i), &i) != NULL, in[i]);
	while ((slot = kev_table_next(table, &position))) {
		assert_true(in[*(int *)slot->entry]);
		seen++;
	}
	assert_int_equal(seen, expected);
	kev_table_destroy(table);
	free(values);
	free(in);
}

static void test_table_follows_model(void **state)
{
	(void)state;
	churn(good_hash, 3000, 40000);
}

static void test_table_follows_model_where_hashes_collide(void **state)
{
	(void)state;
	churn(bad_hash, 60, 20000);
}

/* A sweep: what is removed while walking leaves nothing out. */
static void sweep(uint32_t (*hash)(int value), int count, int keep_every)
{
	struct kev_table *table = kev_table_create(match_int);
	int *values = calloc((size_t)count, sizeof(*values));
	struct kev_table_slot *slot;
	size_t position = 0;
	int kept = 0;

	assert_non_null(table);
	assert_non_null(values);
	for (int i = 0; i < count; i++) {
		values[i] = i;
		assert_int_equal(kev_table_reserve(table), 0);
		kev_table_insert(table, hash(i), &values[i], (uint32_t)i);
	}
	while ((slot = kev_table_next(table, &position))) {
		if ((int)slot->mark % keep_every == 0)
			continue;
		kev_table_remove(table, slot);
		position--;
	}
	for (int i = 0; i < count; i++) {
		assert_int_equal(kev_table_find(table, hash(i), &i) != NULL, i % keep_every == 0);
		kept += i % keep_every == 0;
	}
	assert_int_equal(kev_table_count(table), kept);
	kev_table_shrink(table);
	for (int i = 0; i < count; i += keep_every)
		assert_non_null(kev_table_find(table, hash(i), &i));
	kev_table_destroy(table);
	free(values);
}

static void test_next_remove_leaves_nothing_out(void **state)
{
	(void)state;
	for (int count = 1; count < 200; count++) {
		sweep(bad_hash, count, 2);
		sweep(good_hash, count, 5);
	}
	sweep(good_hash, 20000, 50);
}

static void test_hash_keeps_strings_apart(void **state)
{
	const struct kev_hash_key key = {1, 2}, other = {1, 3};

	(void)state;
	assert_int_not_equal(kev_table_hash(&key, KEV_STR("a"), KEV_STR("bc")),
		kev_table_hash(&key, KEV_STR("ab"), KEV_STR("c")));
	assert_int_not_equal(kev_table_hash(&key, KEV_STR("a"), KEV_STR("b")),
		kev_table_hash(&key, KEV_STR("b"), KEV_STR("a")));
	assert_int_not_equal(kev_table_hash(&key, KEV_STR("a"), KEV_STR("a")),
		kev_table_hash(&key, KEV_STR("b"), KEV_STR("b")));
	assert_int_not_equal(kev_table_hash(&key, KEV_STR(""), KEV_STR("a")),
		kev_table_hash(&other, KEV_STR(""), KEV_STR("a")));
	assert_int_equal(kev_table_hash(&key, KEV_STR("x"), KEV_STR("y")),
		kev_table_hash(&key, KEV_STR("x"), KEV_STR("y")));
}

/* Names that somebody chose so that they collide under one key are spread as any others under the next, which
 * nobody knows. */
static void test_chosen_names_do_not_collide_again(void **state)
{
	enum { MASK = 0xff, COUNT = 200 };
	const struct kev_hash_key one = kev_hash_random_key(), other = kev_hash_random_key();
	bool met[MASK + 1] = {false};
	unsigned chosen = 0, distinct = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; chosen < COUNT; i++) {
		struct kev_str text = {name, (size_t)snprintf(name, sizeof(name), "web.%u", i)};
		unsigned place;

		if ((kev_table_hash(&one, KEV_STR("default"), text) & MASK) != 0)
			continue;
		chosen++;
		place = kev_table_hash(&other, KEV_STR("default"), text) & MASK;
		distinct += !met[place];
		met[place] = true;
	}
	/* 200 in 256 places: 139 on average, hardly ever less than 115 */
	assert_true(distinct > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_empty),
		cmocka_unit_test(test_table_follows_model),
		cmocka_unit_test(test_table_follows_model_where_hashes_collide),
		cmocka_unit_test(test_next_remove_leaves_nothing_out),
		cmocka_unit_test(test_hash_keeps_strings_apart),
		cmocka_unit_test(test_chosen_names_do_not_collide_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
