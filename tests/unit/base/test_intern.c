#include "../test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "../nomem.h"
#include "kevfs/base/intern.h"

static struct kev_intern *create(void)
{
	struct kev_intern *intern = kev_intern_create();

	assert_non_null(intern);
	return intern;
}

static uint32_t take(struct kev_intern *intern, const char *s, bool needed)
{
	struct kev_intern_want want = {.string = kev_str_c(s), .needed = needed};

	assert_int_equal(kev_intern_take(intern, &want, 1), 0);
	return want.word;
}

static void test_take_shares(void **state)
{
	struct kev_intern *intern = create();
	uint32_t words[] = {take(intern, "Pod", true), take(intern, "Pod", true), take(intern, "", true),
		take(intern, "Node", true)};

	(void)state;
	assert_int_equal(words[0], words[1]);
	assert_int_equal(kev_intern_count(intern), 3);
	assert_str_equal(kev_intern_get(intern, words[1]), KEV_STR("Pod"));
	assert_str_equal(kev_intern_get(intern, words[2]), KEV_STR(""));
	assert_str_equal(kev_intern_get(intern, KEV_INTERN_NONE), KEV_STR(""));
	kev_intern_drop(intern, words, 1);
	assert_int_equal(kev_intern_count(intern), 3);
	kev_intern_drop(intern, words + 1, 3);
	assert_int_equal(kev_intern_count(intern), 0);
	kev_intern_unref(intern);
}

/* A word that holds the two, with a string behind them. */
static uint32_t take_pair(struct kev_intern *intern, uint32_t first, uint32_t second, size_t holds)
{
	uint32_t pair[] = {first, second, 4711};
	struct kev_intern_want want = {
		.string = {(const char *)pair, sizeof(pair)}, .needed = true, .holds = (uint8_t)holds};

	assert_int_equal(kev_intern_take(intern, &want, 1), 0);
	return want.word;
}

/* What a word holds stays until that word goes. */
static void test_take_words_of_words(void **state)
{
	struct kev_intern *intern = create();
	uint32_t leaves[] = {take(intern, "Pod", true), take(intern, "Node", true)};
	uint32_t pairs[] = {take_pair(intern, leaves[0], leaves[1], 2),
		take_pair(intern, leaves[0], leaves[1], 2), take_pair(intern, leaves[0], KEV_INTERN_NONE, 2)};
	uint32_t above = take_pair(intern, pairs[0], pairs[2], 2);

	(void)state;
	assert_int_equal(pairs[0], pairs[1]);
	assert_int_not_equal(pairs[0], pairs[2]);
	assert_int_equal(kev_intern_holds(intern, pairs[0]), 2);
	assert_int_equal(kev_intern_holds(intern, leaves[0]), 0);
	assert_int_equal(kev_intern_holds(intern, KEV_INTERN_NONE), 0);
	kev_intern_drop(intern, leaves, 2);
	kev_intern_drop(intern, pairs, 3);
	assert_int_equal(kev_intern_count(intern), 5);
	assert_str_equal(kev_intern_get(intern, leaves[1]), KEV_STR("Node"));
	assert_int_equal(take(intern, "Node", true), leaves[1]);
	kev_intern_drop(intern, &above, 1);
	assert_int_equal(kev_intern_count(intern), 1);
	kev_intern_drop(intern, &leaves[1], 1);
	assert_int_equal(kev_intern_count(intern), 0);
	kev_intern_unref(intern);
}

/* Whoever says what looks like the numbers of words does not share a word that holds them: that would end
 * with words that nobody holds. */
static void test_take_what_looks_like_words(void **state)
{
	struct kev_intern *intern = create();
	uint32_t leaf = take(intern, "Pod", true), plain = take_pair(intern, leaf, leaf, 0),
		 pair = take_pair(intern, leaf, leaf, 2);

	(void)state;
	assert_int_not_equal(plain, pair);
	kev_intern_drop(intern, &leaf, 1);
	kev_intern_drop(intern, &plain, 1);
	assert_str_equal(kev_intern_get(intern, leaf), KEV_STR("Pod"));
	kev_intern_drop(intern, &pair, 1);
	assert_int_equal(kev_intern_count(intern), 0);
	kev_intern_unref(intern);
}

/* What is wanted once may never come again. */
static void test_take_what_is_not_needed_only_twice(void **state)
{
	struct kev_intern *intern = create();
	uint32_t word;

	(void)state;
	assert_int_equal(take(intern, "once", false), KEV_INTERN_NONE);
	assert_int_equal(kev_intern_count(intern), 0);
	word = take(intern, "once", false);
	assert_int_not_equal(word, KEV_INTERN_NONE);
	assert_int_equal(take(intern, "once", false), word);
	kev_intern_drop(intern, (uint32_t[]){word, KEV_INTERN_NONE, word}, 3);
	assert_int_equal(kev_intern_count(intern), 0);
	kev_intern_unref(intern);
}

static void number_to_text(char *out, size_t size, unsigned number)
{
	snprintf(out, size, "word %u", number);
}

/* Through growth and removal in another order, each word says what it said. */
static void test_many(void **state)
{
	enum { COUNT = 20000 };
	struct kev_intern *intern = create();
	uint32_t *words = calloc(COUNT, sizeof(*words));
	char text[32];

	(void)state;
	assert_non_null(words);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < COUNT; i++) {
			number_to_text(text, sizeof(text), i + round);
			words[i] = take(intern, text, true);
		}
		assert_int_equal(kev_intern_count(intern), COUNT);
		for (unsigned i = 0; i < COUNT; i++) {
			unsigned at = (unsigned)((uint64_t)i * 7919 % COUNT);

			number_to_text(text, sizeof(text), at + round);
			assert_str_equal(kev_intern_get(intern, words[at]), kev_str_c(text));
			assert_in_range(words[at], 1, COUNT);
			assert_int_equal(take(intern, text, false), words[at]);
			kev_intern_drop(intern, (uint32_t[]){words[at], words[at]}, 2);
		}
		assert_int_equal(kev_intern_count(intern), 0);
	}
	free(words);
	kev_intern_unref(intern);
}

struct action {
	struct kev_intern *intern;
	unsigned next;
};

/* New strings each time: as many as there is room for without growing, and some more. */
static int take_new(void *context)
{
	struct action *action = context;
	struct kev_intern_want wants[400] = {0};
	char texts[400][16];
	uint32_t words[400];
	int r;

	for (size_t i = 0; i < KEV_ARRAY_LEN(wants); i++) {
		snprintf(texts[i], sizeof(texts[i]), "%u", action->next++);
		wants[i] = (struct kev_intern_want){.string = kev_str_c(texts[i]), .needed = true};
	}
	r = kev_intern_take(action->intern, wants, KEV_ARRAY_LEN(wants));
	assert_true(r == 0 || r == -ENOMEM);
	for (size_t i = 0; i < KEV_ARRAY_LEN(wants) && !r; i++) {
		assert_str_equal(kev_intern_get(action->intern, wants[i].word), wants[i].string);
		words[i] = wants[i].word;
	}
	if (!r)
		kev_intern_drop(action->intern, words, KEV_ARRAY_LEN(words));
	assert_int_equal(kev_intern_count(action->intern), 0);
	return r;
}

static int take_in_a_new_one(void *context)
{
	struct action action = {.intern = kev_intern_create()};
	int r = action.intern ? take_new(&action) : -ENOMEM;

	(void)context;
	kev_intern_unref(action.intern);
	return r;
}

static void test_take_without_memory(void **state)
{
	struct action action = {.intern = create()};

	(void)state;
	assert_in_range(nomem_fail_each(take_in_a_new_one, NULL), 403, 410);
	assert_in_range(nomem_fail_each(take_new, &action), 400, 410);
	kev_intern_unref(action.intern);
}

/* What is not needed can be done without. */
static int want_often(void *context)
{
	struct kev_intern *intern = context;

	for (int i = 0; i < 3; i++) {
		uint32_t word = take(intern, "often", false);

		assert_true(word == KEV_INTERN_NONE ||
			    kev_str_eq(kev_intern_get(intern, word), KEV_STR("often")));
		kev_intern_drop(intern, &word, 1);
	}
	return 0;
}

static void test_want_without_memory(void **state)
{
	struct kev_intern *intern = create();

	(void)state;
	assert_in_range(nomem_fail_some(want_often, intern), 1, 4);
	assert_int_equal(kev_intern_count(intern), 0);
	kev_intern_unref(intern);
}

/* Each thread takes, reads and drops words that the others have as well. */
static void *use_words(void *context)
{
	struct kev_intern *intern = context;

	for (unsigned i = 0; i < 20000; i++) {
		char text[32];
		struct kev_intern_want want = {.needed = i % 3 > 0};

		number_to_text(text, sizeof(text), i * 31 % 97);
		want.string = kev_str_c(text);
		if (kev_intern_take(intern, &want, 1) ||
			(want.word && !kev_str_eq(kev_intern_get(intern, want.word), want.string)))
			return intern;
		kev_intern_drop(intern, &want.word, 1);
	}
	kev_intern_unref(intern);
	return NULL;
}

static void test_threads(void **state)
{
	struct kev_intern *intern = create();
	pthread_t threads[3];

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_words, kev_intern_ref(intern)), 0);
	for (size_t i = 0; i < KEV_ARRAY_LEN(threads); i++) {
		void *wrong;

		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	assert_int_equal(kev_intern_count(intern), 0);
	kev_intern_unref(intern);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_shares),
		cmocka_unit_test(test_take_words_of_words),
		cmocka_unit_test(test_take_what_looks_like_words),
		cmocka_unit_test(test_take_what_is_not_needed_only_twice),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_take_without_memory),
		cmocka_unit_test(test_want_without_memory),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
