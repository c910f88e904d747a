#ifndef KEVFS_OPTIONS_TABLE_H
#define KEVFS_OPTIONS_TABLE_H

#include "options.h"

/* What each -o option is. How they stand on a command line is options.c's. */

/** All -o strings together, bytes; the kernel takes a page. */
#define KEV_OPTION_LIST_MAX 65536

/** One -o option: how it is parsed and what --help says of it. A test holds the man page against this table.
 */
struct kev_option {
	const char *name;
	const char *value; /**< what stands behind '=', in words; NULL: a flag */
	/** @param value  NULL for a flag. @return 0, -EINVAL with a reason, or -ENOMEM */
	int (*set)(struct kev_options *options, const struct kev_option *row, const char *value,
		struct kev_error *error);
	const char *help; /**< NULL: accepted, but not worth a line */
};

extern const struct kev_option kev_option_rows[];
extern const size_t kev_option_count;

/** Put a copy of a string in place of the one that is there. @return 0 or -ENOMEM */
int kev_option_copy(char **out, const char *value) KEV_MUST_USE;

#endif
