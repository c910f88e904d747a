#ifndef KEVFS_TESTS_UNIT_TREE_SIMULATED_KERNEL_H
#define KEVFS_TESTS_UNIT_TREE_SIMULATED_KERNEL_H

#include "world.h"

/*
 * What Linux keeps of a FUSE filesystem whose entries and attributes never expire, but for those that are
 * momentary, and when it lets go of it:
 *
 * - A name that was looked up is not asked for again, be it there or not, until inval_entry drops it (and,
 * for a directory, all that was looked up below) or memory is short.
 * - Attributes are kept until inval_inode; a reply that was under way when that came is not believed, if the
 *   inode is known then and still. If it is not, they stay.
 * - A listing is kept for as long as the directory's mtime is what it was when the listing began. To be
 * harder than Linux, nothing else drops it: a listing under way survives inval_inode.
 * - A request is answered by the tree when it begins, and taken in when it lands; anything can happen in
 * between, but inval_entry of a directory waits for the lookups and listings in it.
 * - Numbers are forgotten some time after nothing refers to them, and the FORGET may come late.
 */
struct simulated_kernel;

/* @param next_name  gives a name to look up, for there is no user */
struct simulated_kernel *simulated_kernel_create(struct world *world, uint64_t seed,
	void (*next_name)(void *context, uint64_t random, char name[KEV_STALE_NAME_SIZE]), void *context);

/* Forgets everything, and checks that the tree does. */
void simulated_kernel_destroy(struct simulated_kernel *kernel);

/* Do something that processes or memory pressure make a kernel do. */
void simulated_kernel_act(struct simulated_kernel *kernel);

/* A kev_tree_stale_fn: now and then something else happens first. */
void simulated_kernel_notify(void *kernel, const struct kev_stale *stale);

/* Let everything land, then check that nothing that the kernel keeps is stale. */
void simulated_kernel_check(struct simulated_kernel *kernel);

/* How much was checked: a test that never cached anything proves nothing. */
struct simulated_kernel_counts {
	unsigned long names, absences, attributes, listings, barriers, refusals;
	unsigned long unkept; /* notifications of names in /.kevfs: a reader of it would be waited for */
};
struct simulated_kernel_counts simulated_kernel_counts(const struct simulated_kernel *kernel);

uint64_t simulated_random(uint64_t *state);

#endif
