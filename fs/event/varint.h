#ifndef KEVFS_FS_EVENT_VARINT_H
#define KEVFS_FS_EVENT_VARINT_H

#include <stdint.h>
#include <string.h>

#include "kevfs/base/buf.h"

/* Numbers in as few bytes as they need: seven bits in each, the lowest first, and whether another one
 * follows. */

static inline void varint_put(struct kev_buf *out, uint64_t value)
{
	char bytes[10];
	size_t len = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[len++] = (char)(0x80 | (value & 0x7f));
	bytes[len++] = (char)value;
	kev_buf_append(out, bytes, len);
}

static inline uint64_t varint_get(const unsigned char **at)
{
	uint64_t value = 0;
	unsigned shift = 0;

	for (; **at & 0x80; shift += 7)
		value |= (uint64_t)(*(*at)++ & 0x7f) << shift;
	return value | (uint64_t) * (*at)++ << shift;
}

/* How far one number that is not negative lies from another: near it in either direction is short. */
static inline void varint_put_near(struct kev_buf *out, int64_t value, int64_t base)
{
	int64_t far = value - base;

	varint_put(out, far < 0 ? ~((uint64_t)far << 1) : (uint64_t)far << 1);
}

static inline int64_t varint_get_near(const unsigned char **at, int64_t base)
{
	uint64_t far = varint_get(at);

	return base + (int64_t)(far & 1 ? ~(far >> 1) : far >> 1);
}

/* A length, and so many bytes. */
static inline void varint_put_str(struct kev_buf *out, struct kev_str s)
{
	varint_put(out, s.len);
	kev_buf_append_str(out, s);
}

static inline struct kev_str varint_get_str(const unsigned char **at)
{
	size_t len = varint_get(at);
	struct kev_str s = {(const char *)*at, len};

	*at += len;
	return s;
}

#endif
