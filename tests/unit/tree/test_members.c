#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/members.h"

/* Items are C strings, called by their text. */
static int name_of_text(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	(void)scratch;
	*out = kev_str_c(item);
	return 0;
}

static int name_of_nothing(const void *item, struct kev_buf *scratch, struct kev_str *out)
{
	(void)item;
	(void)scratch;
	(void)out;
	return -ENOMEM;
}

static const struct kev_hash_key key = {1, 2};
static const struct kev_naming naming = {.name = name_of_text, .key = &key};

static uint32_t hash_of(const char *name)
{
	return kev_members_hash(&key, kev_str_c(name));
}

static void add(struct kev_members *members, char *name)
{
	assert_int_equal(kev_members_reserve(members, &naming), 0);
	assert_ptr_equal(kev_members_item(members, kev_members_add(members, hash_of(name), name)), name);
}

static void *find(const struct kev_members *members, const char *name)
{
	uint32_t slot = 12345;
	int r = kev_members_find(members, &naming, kev_str_c(name), hash_of(name), &slot);

	if (r) {
		assert_int_equal(r, -ENOENT);
		assert_int_equal(slot, 12345);
		return NULL;
	}
	return kev_members_item(members, slot);
}

static void drop(struct kev_members *members, const char *name)
{
	uint32_t slot;

	assert_int_equal(kev_members_find(members, &naming, kev_str_c(name), hash_of(name), &slot), 0);
	kev_members_remove(members, hash_of(name), slot);
}

/* Names m0, m1, ... */
struct names {
	size_t count;
	char (*text)[24];
};

static struct names make_names(size_t count)
{
	struct names names = {count, calloc(count, sizeof(*names.text))};

	assert_non_null(names.text);
	for (size_t i = 0; i < count; i++)
		snprintf(names.text[i], sizeof(names.text[i]), "m%zu", i);
	return names;
}

static void test_find_empty(void **state)
{
	struct kev_members members;

	(void)state;
	kev_members_init(&members);
	assert_null(find(&members, "a"));
	assert_int_equal(kev_members_after(&members, 0), KEV_MEMBERS_NONE);
	assert_int_equal(kev_members_slot(&members, hash_of("a"), "a"), KEV_MEMBERS_NONE);
	assert_int_equal(kev_members_memory(&members), 0);
	kev_members_fini(&members);
}

/* From a scan to an index and back to nothing. */
static void test_add_remove(void **state)
{
	struct names names = make_names(1000);
	struct kev_members members;

	(void)state;
	kev_members_init(&members);
	for (size_t i = 0; i < names.count; i++) {
		assert_null(find(&members, names.text[i]));
		add(&members, names.text[i]);
		for (size_t j = 0; j <= i; j += i < 40 ? 1 : 37)
			assert_ptr_equal(find(&members, names.text[j]), names.text[j]);
	}
	assert_int_equal(members.count, 1000);
	for (size_t i = 0; i < names.count; i++) {
		size_t victim = i * 7 % names.count;

		drop(&members, names.text[victim]);
		assert_null(find(&members, names.text[victim]));
		for (size_t j = i + 1; j < names.count; j += 91)
			assert_ptr_equal(find(&members, names.text[j * 7 % names.count]),
				names.text[j * 7 % names.count]);
	}
	assert_int_equal(members.count, 0);
	assert_int_equal(kev_members_memory(&members), 0);
	kev_members_fini(&members);
	free(names.text);
}

static void test_add_cookies(void **state)
{
	struct kev_members members;
	_Alignas(2) char a[] = "a";

	(void)state;
	kev_members_init(&members);
	add(&members, a);
	assert_int_equal(kev_members_cookie(&members, 0), KEV_MEMBERS_COOKIE_FIRST);
	drop(&members, "a");
	/* Never used again, not even by an empty directory. */
	add(&members, a);
	assert_int_equal(
		kev_members_cookie(&members, kev_members_after(&members, 0)), KEV_MEMBERS_COOKIE_FIRST + 1);
	kev_members_fini(&members);
}

static void test_after(void **state)
{
	struct kev_members members;
	_Alignas(2) char a[] = "a", b[] = "b", c[] = "c", d[] = "d";
	char *texts[] = {a, b, c, d};

	(void)state;
	kev_members_init(&members);
	for (size_t i = 0; i < 4; i++)
		add(&members, texts[i]);
	drop(&members, "a");
	drop(&members, "c");
	assert_ptr_equal(kev_members_by_cookie(&members, KEV_MEMBERS_COOKIE_FIRST + 1), b);
	assert_null(kev_members_by_cookie(&members, KEV_MEMBERS_COOKIE_FIRST));
	assert_null(kev_members_by_cookie(&members, KEV_MEMBERS_COOKIE_FIRST + 4));
	assert_null(kev_members_by_cookie(&members, 0));
	assert_ptr_equal(kev_members_item(&members, kev_members_after(&members, 0)), texts[1]);
	assert_ptr_equal(
		kev_members_item(&members, kev_members_after(&members, KEV_MEMBERS_COOKIE_FIRST)), texts[1]);
	/* Behind b, and behind c which is gone. */
	assert_ptr_equal(
		kev_members_item(&members, kev_members_after(&members, KEV_MEMBERS_COOKIE_FIRST + 1)),
		texts[3]);
	assert_ptr_equal(
		kev_members_item(&members, kev_members_after(&members, KEV_MEMBERS_COOKIE_FIRST + 2)),
		texts[3]);
	assert_int_equal(kev_members_after(&members, KEV_MEMBERS_COOKIE_FIRST + 3), KEV_MEMBERS_NONE);
	assert_int_equal(kev_members_after(&members, UINT64_MAX), KEV_MEMBERS_NONE);
	assert_int_equal(kev_members_next(&members, kev_members_slot(&members, hash_of("d"), texts[3])),
		KEV_MEMBERS_NONE);
	kev_members_fini(&members);
}

static void test_replace(void **state)
{
	_Alignas(2) char old[] = "same", new[] = "same", other[] = "other";
	struct kev_members members;
	uint32_t slot;

	(void)state;
	kev_members_init(&members);
	add(&members, other);
	add(&members, old);
	slot = kev_members_slot(&members, hash_of(old), old);
	kev_members_replace(&members, slot, new);
	assert_ptr_equal(find(&members, "same"), new);
	assert_int_equal(kev_members_cookie(&members, slot), KEV_MEMBERS_COOKIE_FIRST + 1);
	assert_int_equal(members.count, 2);
	kev_members_fini(&members);
}

static void test_find_name_fails(void **state)
{
	const struct kev_naming failing = {.name = name_of_nothing, .key = &key};
	struct names names = make_names(20);
	struct kev_members members;
	uint32_t slot = 7;

	(void)state;
	kev_members_init(&members);
	for (size_t i = 0; i < 8; i++)
		add(&members, names.text[i]);
	assert_int_equal(kev_members_find(&members, &failing, KEV_STR("m1"), hash_of("m1"), &slot), -ENOMEM);
	/* The ninth needs an index, and the index the names. */
	assert_int_equal(kev_members_reserve(&members, &failing), -ENOMEM);
	assert_int_equal(members.count, 8);
	for (size_t i = 8; i < 20; i++)
		add(&members, names.text[i]);
	assert_int_equal(kev_members_find(&members, &failing, KEV_STR("m1"), hash_of("m1"), &slot), -ENOMEM);
	assert_int_equal(kev_members_find(&members, &failing, KEV_STR("no"), hash_of("no"), &slot), -ENOENT);
	assert_int_equal(slot, 7);
	kev_members_fini(&members);
	free(names.text);
}

/* What stays is met exactly once by a listing in pieces, whatever comes and goes in between. */
static void test_after_while_changing(void **state)
{
	enum { COUNT = 2000 };
	struct names names = make_names(2 * COUNT);
	unsigned char met[COUNT] = {0};
	struct kev_members members;
	size_t next = COUNT;
	uint64_t cookie = 0;
	uint32_t slot;

	(void)state;
	kev_members_init(&members);
	for (size_t i = 0; i < COUNT; i++)
		add(&members, names.text[i]);
	while ((slot = kev_members_after(&members, cookie)) != KEV_MEMBERS_NONE) {
		for (int i = 0; i < 10 && slot != KEV_MEMBERS_NONE; i++) {
			size_t number = strtoul((const char *)kev_members_item(&members, slot) + 1, NULL, 10);

			assert_true(kev_members_cookie(&members, slot) > cookie);
			cookie = kev_members_cookie(&members, slot);
			if (number < COUNT)
				met[number]++;
			slot = kev_members_next(&members, slot);
		}
		/* Odd ones go, from anywhere; new ones come. */
		for (int i = 0; i < 20; i++) {
			size_t victim = (cookie * 31 + (size_t)i * 2) % COUNT | 1;

			if (find(&members, names.text[victim]))
				drop(&members, names.text[victim]);
		}
		if (next < 2 * COUNT)
			add(&members, names.text[next++]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		if (i % 2 == 0)
			assert_int_equal(met[i], 1);
		else
			assert_true(met[i] <= 1);
	}
	kev_members_fini(&members);
	free(names.text);
}

/* Events expire oldest first; the memory must follow, and the slots stay dense. */
static void test_remove_gives_back(void **state)
{
	enum { COUNT = 20000 };
	struct names names = make_names(2 * COUNT);
	struct kev_members members;
	size_t full;

	(void)state;
	kev_members_init(&members);
	for (size_t i = 0; i < COUNT; i++)
		add(&members, names.text[i]);
	full = kev_members_memory(&members);
	assert_true(full / COUNT <= 18);
	/* As many come as go. */
	for (size_t i = 0; i < COUNT; i++) {
		drop(&members, names.text[i]);
		add(&members, names.text[COUNT + i]);
		assert_true(members.used <= members.count + members.count / 4 + 3);
	}
	assert_true(kev_members_memory(&members) <= full + full / 2);
	for (size_t i = 0; i < COUNT - 100; i++)
		drop(&members, names.text[COUNT + i]);
	assert_true(kev_members_memory(&members) < 16 * 1024);
	for (size_t i = COUNT - 100; i < COUNT; i++)
		assert_ptr_equal(find(&members, names.text[COUNT + i]), names.text[COUNT + i]);
	kev_members_fini(&members);
	free(names.text);
}

/* Who came first goes first: the slots say the cookies all the time. */
static void test_remove_from_the_front(void **state)
{
	enum { COUNT = 1000 };
	struct names names = make_names(2 * COUNT);
	struct kev_members members;

	(void)state;
	kev_members_init(&members);
	for (size_t i = 0; i < COUNT; i++)
		add(&members, names.text[i]);
	for (size_t i = 0; i < COUNT; i++) {
		drop(&members, names.text[i]);
		add(&members, names.text[COUNT + i]);
		assert_false(members.sparse);
		assert_int_equal(kev_members_cookie(&members, kev_members_after(&members, 0)),
			KEV_MEMBERS_COOKIE_FIRST + i + 1);
	}
	/* One that stays. */
	for (size_t i = COUNT + 1; i < 2 * COUNT - 1; i++)
		drop(&members, names.text[i]);
	assert_true(members.sparse);
	assert_ptr_equal(
		kev_members_by_cookie(&members, KEV_MEMBERS_COOKIE_FIRST + COUNT), names.text[COUNT]);
	assert_ptr_equal(kev_members_by_cookie(&members, KEV_MEMBERS_COOKIE_FIRST + 2 * COUNT - 1),
		names.text[2 * COUNT - 1]);
	/* When it goes, too, the others stand as they came. */
	for (size_t i = 0; i < 20; i++)
		add(&members, names.text[i]);
	drop(&members, names.text[COUNT]);
	drop(&members, names.text[2 * COUNT - 1]);
	for (size_t i = 0; i < 15; i++)
		drop(&members, names.text[i]);
	assert_false(members.sparse);
	assert_ptr_equal(
		kev_members_by_cookie(&members, KEV_MEMBERS_COOKIE_FIRST + 2 * COUNT + 19), names.text[19]);
	kev_members_fini(&members);
	free(names.text);
}

/* One that stays for longer than a cookie's lower half counts. */
static void test_add_four_billion(void **state)
{
	struct names names = make_names(200);
	struct kev_members members;
	uint64_t cookie;
	size_t met = 0;

	(void)state;
	kev_members_init(&members);
	for (size_t i = 0; i < 100; i++)
		add(&members, names.text[i]);
	for (size_t i = 1; i < 51; i++)
		drop(&members, names.text[i]);
	assert_true(members.sparse);
	/* As many have come and gone. */
	members.next += UINT32_MAX - 105;
	cookie = kev_members_cookie(&members, 0);
	for (size_t i = 100; i < 200; i++) {
		add(&members, names.text[i]);
		if (i < 105)
			assert_int_equal(kev_members_cookie(&members, 0), cookie);
	}
	/* They are new, and whoever has the old one of somebody misses nobody. */
	assert_true(kev_members_cookie(&members, 0) >= cookie + UINT32_MAX);
	assert_ptr_equal(find(&members, "m0"), names.text[0]);
	for (uint32_t slot = kev_members_after(&members, cookie + 1000); slot != KEV_MEMBERS_NONE;
		slot = kev_members_next(&members, slot))
		met++;
	assert_int_equal(met, 150);
	kev_members_fini(&members);
	free(names.text);
}

static void test_mark(void **state)
{
	_Alignas(2) char a[] = "same", b[] = "same";
	struct kev_members members;

	(void)state;
	kev_members_init(&members);
	add(&members, a);
	assert_false(kev_members_is_marked(&members, 0));
	kev_members_mark(&members, 0, true);
	assert_true(kev_members_is_marked(&members, 0));
	assert_ptr_equal(kev_members_item(&members, 0), a);
	assert_int_equal(kev_members_slot(&members, hash_of(a), a), 0);
	kev_members_replace(&members, 0, b);
	assert_true(kev_members_is_marked(&members, 0));
	assert_ptr_equal(find(&members, "same"), b);
	kev_members_mark(&members, 0, false);
	assert_false(kev_members_is_marked(&members, 0));
	assert_ptr_equal(find(&members, "same"), b);
	kev_members_fini(&members);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_empty),
		cmocka_unit_test(test_add_remove),
		cmocka_unit_test(test_add_cookies),
		cmocka_unit_test(test_after),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_find_name_fails),
		cmocka_unit_test(test_after_while_changing),
		cmocka_unit_test(test_remove_gives_back),
		cmocka_unit_test(test_remove_from_the_front),
		cmocka_unit_test(test_add_four_billion),
		cmocka_unit_test(test_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
