#ifndef KEVFS_CHECK_H
#define KEVFS_CHECK_H

#include <stdbool.h>
#include <stdio.h>

/**
 * `kevfs check`: whether a SOURCE can be mounted, and what to do if not. It asks all that the mount would
 * ask, but mounts nothing and writes nothing.
 */

/**
 * Is this command line a check, rather than a mount of a context that is called "check"? It is where "check"
 * comes first; but mount(8) says "kevfs check DIR -o …" for the latter, so DIR, absolute and a directory,
 * means a mount.
 */
bool kev_check_is_meant(int argc, char *const *argv);

/** Do it. @param argv  begins with "check". @return the exit code: enum kev_check_exit */
int kev_check_main(int argc, char **argv, FILE *out);

#endif
