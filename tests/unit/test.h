#ifndef KEVFS_TESTS_UNIT_TEST_H
#define KEVFS_TESTS_UNIT_TEST_H

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kevfs/base/str.h"

/** The kev_str holds exactly these bytes. */
#define assert_str_equal(actual, expected)                                                \
	do {                                                                              \
		struct kev_str actual_ = (actual);                                        \
		struct kev_str expected_ = (expected);                                    \
                                                                                          \
		assert_int_equal(actual_.len, expected_.len);                             \
		if (expected_.len)                                                        \
			assert_memory_equal(actual_.data, expected_.data, expected_.len); \
	} while (0)

#endif
