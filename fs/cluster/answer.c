#include "kevfs/cluster/answer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/text.h"

/* U+FFFD has three bytes, and stands for one. */
#define GROWTH_MAX 3

/* jansson refuses a text with a single bad byte, which a message can quote from anywhere. */
static int repair(struct kev_str text, struct kev_buf *out)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t start = 0, i = 0;

	kev_buf_reserve(out, text.len);
	while (i < text.len) {
		size_t len = kev_text_decode_utf8((struct kev_str){text.data + i, text.len - i}, NULL);

		if (len == 0) {
			kev_buf_append(out, text.data + start, i - start);
			kev_buf_append_c(out, replacement);
			start = i + 1;
		}
		i += len ? len : 1;
	}
	return kev_buf_append(out, text.data + start, i - start);
}

/*
 * jansson's memory. It is wiped when it is freed: what a credential plugin prints is an answer too, and
 * jansson keeps pieces of what it reads in many places.
 *
 * While it reads, it must not go on without memory that it has asked for: it takes that for bad syntax,
 * leaves out what it was for, and jansson 2.14 even writes a string that its own buffer could not grow for
 * over the end of another. So reading is left from within the allocator, and what was allocated for it is
 * freed here.
 */
struct block {
	struct block *next, **link; /* of those of the reading under way; link NULL: of none */
	size_t size;
	max_align_t memory[];
};

static _Thread_local struct block *blocks;
static _Thread_local jmp_buf *reading; /* where to leave it; NULL: none is under way */

static void *allocate(size_t size)
{
	struct block *block = size < PTRDIFF_MAX - sizeof(*block) ? malloc(sizeof(*block) + size) : NULL;

	if (!block && reading)
		longjmp(*reading, 1);
	if (!block)
		return NULL;
	*block = (struct block){.size = size};
	if (reading) {
		block->next = blocks;
		block->link = &blocks;
		if (blocks)
			blocks->link = &block->next;
		blocks = block;
	}
	return block->memory;
}

static void take_out(struct block *block)
{
	if (!block->link)
		return;
	*block->link = block->next;
	if (block->next)
		block->next->link = block->link;
	block->link = NULL;
}

static void wipe_and_free(void *memory)
{
	struct block *block =
		memory ? (struct block *)((char *)memory - offsetof(struct block, memory)) : NULL;

	if (!block)
		return;
	take_out(block);
	explicit_bzero(block->memory, block->size);
	free(block);
}

/* Before anybody has memory of jansson's. */
static void __attribute__((constructor)) use_allocator(void)
{
	json_set_alloc_funcs(allocate, wipe_and_free);
}

/* @return what was read, or NULL. @param starved  set if there was not the memory for it */
static json_t *read_json(struct kev_str text, bool *starved)
{
	json_t *volatile answer = NULL; /* longjmp() may lose another one */
	jmp_buf here;

	*starved = setjmp(here) != 0;
	if (!*starved) {
		reading = &here;
		answer = json_loadb(text.len ? text.data : "", text.len, JSON_ALLOW_NUL, NULL);
	}
	reading = NULL;
	/* What is taken out is not met again, which the analyzer does not follow. */
	while (blocks) { /* NOLINT(clang-analyzer-unix.Malloc) */
		struct block *block = blocks;

		take_out(block); /* NOLINT(clang-analyzer-unix.Malloc) */
		if (*starved)
			wipe_and_free(block->memory);
	}
	return *starved ? NULL : answer;
}

int kev_answer_parse(struct kev_str text, json_t **out)
{
	KEV_CLEANUP(buf_wipe) struct kev_buf repaired;
	json_t *answer;
	bool starved;
	size_t max;

	if (__builtin_mul_overflow(text.len, GROWTH_MAX, &max))
		return -EINVAL;
	kev_buf_init(&repaired, max);
	if (text.len && repair(text, &repaired))
		return -ENOMEM;
	answer = read_json(kev_buf_str(&repaired), &starved);
	if (starved || !json_is_object(answer)) {
		json_decref(answer);
		return starved ? -ENOMEM : -EINVAL;
	}
	*out = answer;
	return 0;
}

struct kev_str kev_answer_string(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return (struct kev_str){json_string_value(value), json_string_length(value)};
}
