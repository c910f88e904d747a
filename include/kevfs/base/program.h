#ifndef KEVFS_BASE_PROGRAM_H
#define KEVFS_BASE_PROGRAM_H

#include <limits.h>

#include "kevfs/base/defs.h"

/**
 * Find a program that may be executed, in one of several directories.
 * @param directories  as PATH has them, separated by colons; NULL: none. One that is not absolute is left
 * out: what it means depends on where we stand, and there anybody may have put something.
 * @param out  its path; untouched on failure
 * @return 0 or -ENOENT
 */
int kev_program_find(const char *name, const char *directories, char out[PATH_MAX]) KEV_MUST_USE;

/**
 * Find fusermount3, which mounts and unmounts for who may not: where it is mostly installed, else by PATH, as
 * libfuse does. Nobody's PATH counts but that of who started us, with his own rights: under mount(8) there is
 * none, and of a program with more rights than its caller (AT_SECURE) it is not looked at.
 */
int kev_program_find_fusermount(char out[PATH_MAX]) KEV_MUST_USE;

#endif
