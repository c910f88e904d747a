#include "kevfs/event/compact.h"

#include <stdbool.h>

#include "runs.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Bytes of the string whose quote stands at s's beginning, with both quotes. */
static size_t string_length(struct kev_str s)
{
	const char *p = s.data + 1, *end = s.data + s.len;

	while ((p = run_quoted(p, end)) < end && *p == '\\')
		p += end - p > 1 ? 2 : 1;
	return (size_t)(p - s.data) + (p < end);
}

/* The next run without a space outside of a string, and what follows it. @return false at the end */
static bool next_run(struct kev_str *rest, struct kev_str *run)
{
	size_t len = 0;

	while (rest->len && is_space(rest->data[0])) {
		rest->data++;
		rest->len--;
	}
	while (len < rest->len && !is_space(rest->data[len])) {
		if (rest->data[len] == '"')
			len += string_length((struct kev_str){rest->data + len, rest->len - len});
		else
			len++;
	}
	*run = (struct kev_str){rest->data, len};
	rest->data += len;
	rest->len -= len;
	return len > 0;
}

int kev_compact_append(struct kev_buf *out, struct kev_str json)
{
	struct kev_str run;

	while (next_run(&json, &run))
		kev_buf_append_str(out, run);
	return out->error;
}

size_t kev_compact_size(struct kev_str json)
{
	struct kev_str run;
	size_t size = 0;

	while (next_run(&json, &run))
		size += run.len;
	return size;
}
