/*
 * Others wait for the lock while the table of words grows, readers among them: so that looks at no word. Here
 * the words stand in memory that cannot be read meanwhile.
 */
#include "../test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kevfs/base/intern.h"

#define ARENA_SIZE (1UL << 20)

/* Fewer than make a new table grow, and as many as make it grow several times. */
#define BEFORE 700
#define AFTER 5000

static bool in_arena; /* what is allocated comes from there */
static char *place;
static size_t used;

void *__real_malloc(size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void __wrap_free(void *p);

void *__wrap_malloc(size_t size)
{
	char *p = place + used;

	if (!in_arena)
		return __real_malloc(size);
	used += (size + 15) & ~(size_t)15;
	assert_true(used <= ARENA_SIZE);
	return p;
}

void __wrap_free(void *p)
{
	if (!place || (char *)p < place || (char *)p >= place + ARENA_SIZE)
		__real_free(p);
}

static uint32_t take(struct kev_intern *intern, unsigned number)
{
	char text[32];
	struct kev_intern_want want = {.needed = true};

	want.string.data = text;
	want.string.len = (size_t)snprintf(text, sizeof(text), "word %u", number);
	assert_int_equal(kev_intern_take(intern, &want, 1), 0);
	return want.word;
}

static void test_growth_looks_at_no_word(void **state)
{
	static uint32_t words[BEFORE + AFTER];
	struct kev_intern *intern = kev_intern_create();

	(void)state;
	assert_non_null(intern);
	place = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(place, MAP_FAILED);
	in_arena = true;
	for (unsigned i = 0; i < BEFORE; i++)
		words[i] = take(intern, i);
	in_arena = false;
	assert_true(used > BEFORE);
	assert_int_equal(mprotect(place, ARENA_SIZE, PROT_NONE), 0);
	for (unsigned i = BEFORE; i < BEFORE + AFTER; i++)
		words[i] = take(intern, i);
	assert_int_equal(mprotect(place, ARENA_SIZE, PROT_READ | PROT_WRITE), 0);
	for (unsigned i = 0; i < BEFORE + AFTER; i++) {
		assert_int_equal(take(intern, i), words[i]);
		kev_intern_drop(intern, &words[i], 1);
	}
	kev_intern_drop(intern, words, BEFORE + AFTER);
	assert_int_equal(kev_intern_count(intern), 0);
	kev_intern_unref(intern);
	munmap(place, ARENA_SIZE);
	place = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth_looks_at_no_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
