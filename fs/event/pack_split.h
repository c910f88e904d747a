#ifndef KEVFS_FS_EVENT_PACK_SPLIT_H
#define KEVFS_FS_EVENT_PACK_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/buf.h"
#include "kevfs/event/pack.h"
#include "pack_codes.h"
#include "uuid.h"

/* Of more numbers the later ones are bytes like others. */
#define NUMBERS_MAX 64U

/* A value of a text. */
struct pack_value {
	struct kev_str raw;
	enum code code;         /* CODE_LITERAL, CODE_PATTERN: it may become a word */
	uint64_t number;        /* a time in ns, or a decimal number */
	struct kev_str pattern; /* raw with marks */
	size_t numbers;         /* how many of them are numbers */
	unsigned char uuid[UUID_SIZE];
};

/* A text, split into its frame and its values. */
struct pack_split {
	const struct kev_pack_known *known;
	struct pack_value values[VALUES_MAX];
	size_t count;
	const struct pack_value *object_uid; /* NULL: there is none */
	uint64_t numbers[NUMBERS_MAX];       /* of all patterns, one behind the other */
	size_t number_count;
	struct kev_str last_time;
	struct kev_buf frame, patterns;
};

void pack_split_init(struct pack_split *split, const struct kev_pack_known *known);
void pack_split_fini(struct pack_split *split);

/* @return whether all of the text has gone into the frame and the values; if not, or if a buffer has an
 * error, these are of no use */
bool pack_split_text(struct pack_split *split, struct kev_str text);

#endif
