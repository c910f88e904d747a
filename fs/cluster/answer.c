#include "kevfs/cluster/answer.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
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

/* jansson takes memory that it does not get for bad syntax, or leaves out what it was for: so this notes it.
 */
static _Thread_local bool starved;

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	starved = starved || !memory;
	return memory;
}

/* What a credential plugin prints is an answer too, and jansson keeps pieces of what it reads in many places.
 */
static void wipe_and_free(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

static void use_allocator(void)
{
	json_set_alloc_funcs(allocate, wipe_and_free);
}

int kev_answer_parse(struct kev_str text, json_t **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	KEV_CLEANUP(buf_wipe) struct kev_buf repaired;
	json_error_t error;
	json_t *answer;
	size_t max;

	if (__builtin_mul_overflow(text.len, GROWTH_MAX, &max))
		return -EINVAL;
	kev_buf_init(&repaired, max);
	if (text.len && repair(text, &repaired))
		return -ENOMEM;
	pthread_once(&once, use_allocator);
	starved = false;
	answer = json_loadb(repaired.len ? repaired.data : "", repaired.len, JSON_ALLOW_NUL, &error);
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
