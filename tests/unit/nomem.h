#ifndef KEVFS_TESTS_UNIT_NOMEM_H
#define KEVFS_TESTS_UNIT_NOMEM_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Memory that runs out when a test says so. Programs that are linked with nomem.c and its --wrap
 * (meson.build) send each allocation of ours here; what the shared libraries allocate for themselves does not
 * come by. AddressSanitizer says what leaks on the way back. It runs out in the thread only that said so: a
 * server of the test's own has what it needs.
 */

/** Let the allocation fail that is so many away: 1 is the next. 0: none. */
void nomem_fail_in(size_t n);

/** Let no more fail. @return has it failed since nomem_fail_in()? */
bool nomem_end(void);

/** A foreign library's allocation, asked about by a wrapper of the test's own. @return is it to fail? */
bool nomem_fails(void);

/**
 * Run an action again and again, with one more allocation allowed each time, until none has failed.
 * @param action  0, which it must say where nothing failed; -ENOMEM, which is what it must say elsewhere
 * @return how many allocations there are
 */
size_t nomem_fail_each(int (*action)(void *context), void *context);

/** The same for actions that can do without some of them: 0 is then accepted everywhere. */
size_t nomem_fail_some(int (*action)(void *context), void *context);

#endif
