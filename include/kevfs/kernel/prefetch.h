#ifndef KEVFS_KERNEL_PREFETCH_H
#define KEVFS_KERNEL_PREFETCH_H

#include <stdbool.h>
#include <stdint.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "kevfs/store/meter.h"
#include "kevfs/tree/tree.h"

/**
 * Gives the kernel files before it asks for them: who reads one of a directory mostly reads the next ones,
 * and a request costs ten times what it costs to put a file into the page cache unasked. What a node number
 * stands for never changes, so what is put there is never stale.
 *
 * It is done by the worker that answers a read, before it replies: so the reader finds them there, and nobody
 * else has to be woken. But putting waits in the kernel for whoever reads that same file, which only another
 * worker can answer. So one worker at a time does it, only where there is another one, and not any more when
 * the workers are about to end.
 */
struct kev_prefetch;

/** @param tree, meter  borrowed. @return new, or NULL on ENOMEM */
struct kev_prefetch *kev_prefetch_create(struct kev_tree *tree, struct kev_meter *meter);
void kev_prefetch_destroy(struct kev_prefetch *prefetch);

/** From now on, with that session's kernel. There is more than one worker. Before the first request. */
void kev_prefetch_start(struct kev_prefetch *prefetch, struct fuse_session *session /* borrowed */);

/** A worker is about to reply to a read of that file's beginning. */
void kev_prefetch_siblings(struct kev_prefetch *prefetch, uint64_t node);

/** Not any more; waits for a worker that is at it. Before the workers end, while they answer. @return whether
 * none is at it, in that time */
bool kev_prefetch_stop(struct kev_prefetch *prefetch, int timeout_ms);

#endif
