#ifndef KEVFS_TESTS_FUZZ_CHECK_H
#define KEVFS_TESTS_FUZZ_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/** What must hold, whatever the bytes are; if not, that is a finding. */
static inline void check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

#endif
