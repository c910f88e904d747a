#include "kevfs/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first allocation: most buffers hold a name or a line. */
#define FIRST_ROOM 64

void kev_buf_init(struct kev_buf *buf, size_t max)
{
	*buf = (struct kev_buf){.max = max};
}

void kev_buf_fini(struct kev_buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	kev_buf_init(buf, buf->max);
}

void kev_buf_clear(struct kev_buf *buf)
{
	buf->len = 0;
	buf->error = 0;
}

int kev_buf_reserve(struct kev_buf *buf, size_t extra)
{
	size_t need, room = buf->room;
	char *data;

	if (buf->error)
		return buf->error;
	if (__builtin_add_overflow(buf->len, extra, &need) || need > buf->max)
		return buf->error = -EMSGSIZE;
	if (need <= room)
		return 0;
	if (room < FIRST_ROOM)
		room = FIRST_ROOM;
	while (room < need) {
		if (__builtin_mul_overflow(room, 2, &room))
			room = need;
	}
	data = realloc(buf->data, room);
	if (!data)
		return buf->error = -ENOMEM;
	buf->data = data;
	buf->room = room;
	return 0;
}

int kev_buf_append(struct kev_buf *buf, const void *data, size_t len)
{
	int r = kev_buf_reserve(buf, len);

	if (r || !len)
		return r;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	return 0;
}

int kev_buf_append_str(struct kev_buf *buf, struct kev_str s)
{
	return kev_buf_append(buf, s.data, s.len);
}

int kev_buf_append_c(struct kev_buf *buf, const char *s)
{
	return kev_buf_append(buf, s, strlen(s));
}

int kev_buf_append_char(struct kev_buf *buf, char c)
{
	return kev_buf_append(buf, &c, 1);
}

int kev_buf_append_fill(struct kev_buf *buf, char c, size_t count)
{
	int r = kev_buf_reserve(buf, count);

	if (r || !count)
		return r;
	memset(buf->data + buf->len, c, count);
	buf->len += count;
	return 0;
}

int kev_buf_printf(struct kev_buf *buf, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	if (buf->error)
		return buf->error;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return buf->error = -ENOMEM;
	kev_buf_append(buf, text, (size_t)n);
	free(text);
	return buf->error;
}

void kev_buf_consume(struct kev_buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
		return;
	}
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
}

const char *kev_buf_cstr(struct kev_buf *buf)
{
	/* The NUL is not content, so it may stand one byte behind the cap. */
	if (buf->len == buf->room) {
		size_t room = buf->room ? buf->room + 1 : FIRST_ROOM;
		char *data = realloc(buf->data, room);

		if (!data)
			return NULL;
		buf->data = data;
		buf->room = room;
	}
	buf->data[buf->len] = '\0';
	return buf->data;
}

void kev_buf_wipe(struct kev_buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->room);
	kev_buf_fini(buf);
}
