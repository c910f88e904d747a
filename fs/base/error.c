#include "kevfs/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/text.h"

static const char out_of_memory[] = "out of memory";

/* Copy text into the error, escaped and cut between characters, with "..." where it was cut. */
static void store(struct kev_error *error, struct kev_str text)
{
	struct kev_buf buf;
	size_t len;

	kev_buf_init(&buf, text.len * 4 + 1);
	kev_text_append_escaped(&buf, text);
	if (buf.error) {
		memcpy(error->text, out_of_memory, sizeof(out_of_memory));
		kev_buf_fini(&buf);
		return;
	}
	len = buf.len;
	if (len >= sizeof(error->text)) {
		len = sizeof(error->text) - 4;
		while (len > 0 && ((unsigned char)buf.data[len] & 0xc0) == 0x80)
			len--;
	}
	if (len)
		memcpy(error->text, buf.data, len);
	memcpy(error->text + len, len < buf.len ? "..." : "", len < buf.len ? 4 : 1);
	kev_buf_fini(&buf);
}

void kev_error_set(struct kev_error *error, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	if (!error)
		return;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		memcpy(error->text, out_of_memory, sizeof(out_of_memory));
		return;
	}
	store(error, (struct kev_str){text, (size_t)n});
	free(text);
}

void kev_error_prefix(struct kev_error *error, const char *format, ...)
{
	char *prefix = NULL;
	struct kev_error old;
	va_list args;
	int n;

	if (!error)
		return;
	va_start(args, format);
	n = vasprintf(&prefix, format, args);
	va_end(args);
	if (n < 0)
		return; /* without its prefix the text is still true */
	old = *error;
	kev_error_set(error, "%s: %s", prefix, old.text);
	free(prefix);
}
