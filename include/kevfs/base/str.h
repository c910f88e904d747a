#ifndef KEVFS_BASE_STR_H
#define KEVFS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/**
 * A borrowed run of bytes. Kubernetes strings may hold NUL (an involvedObject.name can), so none of them
 * travels as a C string. data may be NULL only when len is 0.
 */
struct kev_str {
	const char *data;
	size_t len;
};

/** A kev_str over a string literal. */
#define KEV_STR(literal) ((struct kev_str){"" literal, sizeof(literal) - 1})

/** A kev_str over a C string; NULL gives the empty one. */
static inline struct kev_str kev_str_c(const char *s)
{
	return (struct kev_str){s, s ? strlen(s) : 0};
}

static inline bool kev_str_eq(struct kev_str a, struct kev_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/** Bytewise order, a prefix first: negative, 0 or positive. */
static inline int kev_str_cmp(struct kev_str a, struct kev_str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int r = n ? memcmp(a.data, b.data, n) : 0;

	return r ? r : (a.len > b.len) - (a.len < b.len);
}

/** @return new: a C string that ends at s's end, or at a NUL in it; NULL on ENOMEM */
static inline char *kev_str_dup(struct kev_str s)
{
	char *copy = s.len < PTRDIFF_MAX ? malloc(s.len + 1) : NULL;

	if (!copy)
		return NULL;
	if (s.len)
		memcpy(copy, s.data, s.len);
	copy[s.len] = '\0';
	return copy;
}

static inline bool kev_str_starts(struct kev_str s, struct kev_str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

#endif
