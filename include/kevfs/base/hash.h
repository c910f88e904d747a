#ifndef KEVFS_BASE_HASH_H
#define KEVFS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/str.h"

/** A SipHash key. */
struct kev_hash_key {
	uint64_t k0, k1;
};

/** A random key, one per table, so that nobody who names Kubernetes objects can choose the collisions. */
struct kev_hash_key kev_hash_random_key(void);

/** SipHash-1-3 of len bytes. Source: Aumasson, Bernstein, "SipHash"; vectors in its reference implementation.
 */
uint64_t kev_hash_sip13(const struct kev_hash_key *key, const void *data, size_t len);

/**
 * The first 128 bits of SHA-256, as 32 lower-case hex digits and a NUL. For names that outlive the process
 * and that a stranger must not be able to make collide.
 */
void kev_hash_hex128(struct kev_str s, char out[33]);

#endif
