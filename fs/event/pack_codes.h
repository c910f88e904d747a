#ifndef KEVFS_FS_EVENT_PACK_CODES_H
#define KEVFS_FS_EVENT_PACK_CODES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "kevfs/event/pack.h"

/*
 * What pack.c, which takes a text apart, and pack_expand.c, which reads what comes of that, share.
 *
 * A frame is what stands before each value, and behind the last one, each with its length (varint.h).
 *
 * An object is the numbers of four words (enum kev_pack_field), which it holds, and then its name.
 *
 * A shape is the numbers of words, which it holds (enum shape_word), and then a code for each value of the
 * text. What belongs to the codes (numbers, times, what is not shared) stands in the event's own bytes, in
 * the same order. A shape that is not shared stands behind that, with the number of its words and that of its
 * codes in two bytes behind it.
 *
 * A text that is kept as it is has a shape of two words and no codes.
 */

/* A text of more values is no usual Event: it is kept as it is. */
#define VALUES_MAX 60U

/* In a value that names what the event knows this stands for it, and one of these behind it. What is printed
 * holds no such characters; a text that does is kept as it is, and a name that does is not looked for. */
#define MARK '\1'

enum mark {
	MARKED_OBJECT = 2,
	MARKED_NAMESPACE,
	MARKED_NODE,
	MARKED_NUMBER, /* in decimal: a varint in the event's bytes */
};

#define MARKED_MAX MARKED_NUMBER

#define MARK_SIZE 2U

#define OBJECT_WORDS KEV_PACK_OBJECT_NAME

enum shape_word {
	SHAPE_TYPE,
	SHAPE_REASON,
	SHAPE_PLAIN_COUNT,
	SHAPE_FRAME = SHAPE_PLAIN_COUNT,
	SHAPE_VALUES, /* the first of the words that are values */
};

#define SHAPE_WORDS_MAX (SHAPE_VALUES + VALUES_MAX)

/* What a value is, and what of it stands in the event's bytes. */
enum code {
	/* one of the event's fields: enum kev_pack_field */
	CODE_OWN = KEV_PACK_FIELD_COUNT, /* its name, uid or resourceVersion */
	CODE_OBJECT_UID = CODE_OWN + KEV_PACK_OWN_COUNT,
	CODE_UUID,        /* 16 bytes */
	CODE_SECOND,      /* a time: a varint, how far it is from the one before */
	CODE_MICROSECOND, /* likewise */
	CODE_SAME_TIME,   /* the time before it once more */
	CODE_NUMBER,      /* in decimal: a varint */
	CODE_LITERAL,     /* a varint, and so many bytes */
	CODE_PATTERN,     /* likewise, with marks; then a varint for each number */
	CODE_WORD,        /* which of the shape's words that are values is so much less */
	CODE_PATTERN_WORD = CODE_WORD + VALUES_MAX, /* likewise, with marks; a varint for each number */
	CODE_END = CODE_PATTERN_WORD + VALUES_MAX,
};

static_assert(CODE_END <= 256 && SHAPE_WORDS_MAX <= KEV_INTERN_HOLDS_MAX, "a code is a byte");

#define SECOND_SIZE (sizeof("2006-01-02T15:04:05Z") - 1)
#define MICROSECOND_SIZE (sizeof("2006-01-02T15:04:05.000000Z") - 1)
#define NS_PER_MICROSECOND 1000

#endif
