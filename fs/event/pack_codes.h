#ifndef KEVFS_FS_EVENT_PACK_CODES_H
#define KEVFS_FS_EVENT_PACK_CODES_H

#include <stdbool.h>
#include <stddef.h>

#include "kevfs/event/pack.h"

/* What pack.c, which takes a text apart, and pack_expand.c, which reads what comes of that, share: the form
 * of frames and codes. */

/* A text of more values is no usual Event: it is kept as it is. */
#define VALUES_MAX 64U

/* A frame has this where a value is. What is printed holds no such characters; a text that does is kept as it
 * is, and a name that does is not looked for. */
#define HOLE '\0'

/* In a value that names what the event knows, these stand for it. */
#define MARK_OBJECT '\1'
#define MARK_NAMESPACE '\2'
#define MARK_NODE '\3'

/* What a value's code begins with. Greater ones are words: the word's number is so much less. */
enum code {
	/* one of the event's fields: enum kev_pack_field */
	CODE_OWN = KEV_PACK_FIELD_COUNT,           /* its name, uid or resourceVersion */
	CODE_UUID = CODE_OWN + KEV_PACK_OWN_COUNT, /* 16 bytes */
	CODE_SECOND,                               /* a time: four bytes */
	CODE_MICROSECOND,                          /* four bytes, and three for the fraction */
	CODE_SAME_TIME,                            /* the time before it once more */
	CODE_NUMBER,                               /* in decimal: a varint */
	CODE_LITERAL,                              /* a varint, and so many bytes */
	CODE_PATTERN,                              /* likewise, with marks */
	CODE_PATTERN_WORD,                         /* a varint: a word with marks */
	CODE_WORD,
};

#define SECOND_SIZE (sizeof("2006-01-02T15:04:05Z") - 1)
#define MICROSECOND_SIZE (sizeof("2006-01-02T15:04:05.000000Z") - 1)
#define UUID_SIZE 36U

/* Of a uuid: is there a dash at i? */
static inline bool pack_is_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

#endif
