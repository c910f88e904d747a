#ifndef KEVFS_TESTS_WORDS_H
#define KEVFS_TESTS_WORDS_H

#include <stdlib.h>

#include "kevfs/base/intern.h"

/* Where the events of a test keep their words. It stays, and is reachable, until the test's process ends. */
static inline struct kev_intern *words(void)
{
	static struct kev_intern *all;

	if (!all)
		all = kev_intern_create();
	if (!all)
		abort();
	return all;
}

#endif
