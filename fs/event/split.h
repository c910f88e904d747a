#ifndef KEVFS_FS_EVENT_SPLIT_H
#define KEVFS_FS_EVENT_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "runs.h"

/* How far a value has been split off, while its text arrives: brackets that balance outside of strings. */
struct split {
	size_t depth; /* brackets that are open */
	bool quoted;  /* inside a string */
	bool escaped; /* behind a backslash */
};

/* Behind what belongs to the value that began with a bracket or a quote. */
static inline const char *split_value(struct split *split, const char *p, const char *end, bool *whole)
{
	*whole = false;
	while (p < end && !*whole) {
		if (split->escaped) {
			split->escaped = false;
			p++;
		} else if (split->quoted) {
			p = run_quoted(p, end);
			if (p == end)
				break;
			split->escaped = *p == '\\';
			split->quoted = split->escaped;
			*whole = !split->quoted && !split->depth;
			p++;
		} else {
			char c = *p++;

			split->quoted = c == '"';
			if (c == '{' || c == '[')
				split->depth++;
			else if (c == '}' || c == ']')
				*whole = --split->depth == 0;
		}
	}
	return p;
}

/* JSON's white space. */
static inline bool split_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

#endif
