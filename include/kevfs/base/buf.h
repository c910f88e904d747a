#ifndef KEVFS_BASE_BUF_H
#define KEVFS_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/**
 * Growable bytes with a mandatory cap. An error is sticky: after the first failed append every further one
 * returns the same error and changes nothing, so that a run of appends needs one check at its end
 * (buf->error).
 */
struct kev_buf {
	char *data;  /**< owned; NULL while empty; not NUL-terminated unless kev_buf_cstr() was called */
	size_t len;  /**< bytes in use */
	size_t room; /**< bytes allocated */
	size_t max;  /**< len never exceeds this */
	int error;   /**< 0, -EMSGSIZE (over max) or -ENOMEM; sticky */
};

/** Make an empty buffer that never holds more than max bytes. Allocates nothing. */
void kev_buf_init(struct kev_buf *buf, size_t max);

/** Free what the buffer holds; it is then as after kev_buf_init(). */
void kev_buf_fini(struct kev_buf *buf);

/** Forget the content and the error; keep the allocation. */
void kev_buf_clear(struct kev_buf *buf);

/** Make sure that extra more bytes fit without another allocation. @return 0, -EMSGSIZE or -ENOMEM */
int kev_buf_reserve(struct kev_buf *buf, size_t extra);

/** Append len bytes. @return 0, -EMSGSIZE or -ENOMEM; the content is untouched on error */
int kev_buf_append(struct kev_buf *buf, const void *data, size_t len);

/** Append a kev_str. */
int kev_buf_append_str(struct kev_buf *buf, struct kev_str s);

/** Append a C string. */
int kev_buf_append_c(struct kev_buf *buf, const char *s);

/** Append one byte. */
int kev_buf_append_char(struct kev_buf *buf, char c);

/** Append count times the byte c. */
int kev_buf_append_fill(struct kev_buf *buf, char c, size_t count);

/** Append formatted text. */
int kev_buf_printf(struct kev_buf *buf, const char *format, ...) KEV_PRINTF(2, 3);

/** Drop the first len bytes (at most all of them). */
void kev_buf_consume(struct kev_buf *buf, size_t len);

/** The content as a C string: a NUL stands behind it, not counted in len. @return borrowed, NULL on -ENOMEM
 */
const char *kev_buf_cstr(struct kev_buf *buf);

/** The content, borrowed until the next change. */
static inline struct kev_str kev_buf_str(const struct kev_buf *buf)
{
	return (struct kev_str){buf->data, buf->len};
}

/** Overwrite what the buffer holds, then free it: for secrets. */
void kev_buf_wipe(struct kev_buf *buf);

#endif
