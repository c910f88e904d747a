#include "kevfs/watch/lines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"

/* What a buffer keeps when its line is done: most lines need less, and one large line must not cost its
 * memory for as long as the watch lives. */
#define KEEP (256U << 10)

struct kev_lines {
	struct kev_buf part; /* of a line whose end has not come yet */
	bool skipping;       /* the line that is coming is too long */
	uint64_t skipped;
};

struct kev_lines *kev_lines_create(size_t max)
{
	struct kev_lines *lines = calloc(1, sizeof(*lines));

	if (lines)
		kev_buf_init(&lines->part, max);
	return lines;
}

void kev_lines_destroy(struct kev_lines *lines)
{
	if (!lines)
		return;
	kev_buf_fini(&lines->part);
	free(lines);
}

static bool is_blank(struct kev_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] != ' ' && s.data[i] != '\t' && s.data[i] != '\r')
			return false;
	}
	return true;
}

/* Keep a part of a line. A line over the cap is given up, whether its end has come or not. */
static int keep(struct kev_lines *lines, struct kev_str piece)
{
	if (lines->skipping)
		return 0;
	if (kev_buf_append_str(&lines->part, piece) == 0)
		return 0;
	if (lines->part.error == -ENOMEM)
		return -ENOMEM;
	lines->skipping = true;
	lines->skipped++;
	kev_buf_fini(&lines->part);
	return 0;
}

static void line_done(struct kev_lines *lines)
{
	lines->skipping = false;
	if (lines->part.room > KEEP)
		kev_buf_fini(&lines->part);
	else
		kev_buf_clear(&lines->part);
}

/* The end of a line has come. One that lies within a chunk is given as it lies there, without a copy. */
static int end_line(struct kev_lines *lines, struct kev_str last, kev_lines_fn *line, void *context)
{
	struct kev_str whole = last;
	int r = 0;

	if (lines->part.len > 0 || lines->skipping || last.len > lines->part.max) {
		r = keep(lines, last);
		whole = kev_buf_str(&lines->part);
	}
	if (r == 0 && !lines->skipping && !is_blank(whole))
		r = line(context, whole);
	line_done(lines);
	return r;
}

int kev_lines_feed(struct kev_lines *lines, struct kev_str chunk, kev_lines_fn *line, void *context)
{
	while (chunk.len > 0) {
		const char *newline = memchr(chunk.data, '\n', chunk.len);
		size_t len = newline ? (size_t)(newline - chunk.data) : chunk.len;
		struct kev_str piece = {chunk.data, len};
		int r = newline ? end_line(lines, piece, line, context) : keep(lines, piece);

		if (r)
			return r;
		chunk.data += len + (newline ? 1 : 0);
		chunk.len -= len + (newline ? 1 : 0);
	}
	return 0;
}

void kev_lines_reset(struct kev_lines *lines)
{
	line_done(lines);
}

uint64_t kev_lines_skipped(const struct kev_lines *lines)
{
	return lines->skipped;
}
