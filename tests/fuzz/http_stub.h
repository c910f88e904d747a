#ifndef KEVFS_TESTS_FUZZ_HTTP_STUB_H
#define KEVFS_TESTS_FUZZ_HTTP_STUB_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kevfs/cluster/http.h"

/*
 * kev_http without a network: what is asked waits for the target's answer. As it defines what http.h has, the
 * linker leaves the real one out.
 */
struct kev_http_transfer {
	struct kev_http_transfer *next;
	struct kev_http_request request;
};

struct kev_http {
	struct kev_http_transfer *first, **last;
	size_t started;
};

/* What goes into a request's line: nothing that could end it, or begin another. */
static void check_path(const char *path)
{
	check(path[0] == '/', "no path");
	for (; *path; path++)
		check((unsigned char)*path > ' ' && (unsigned char)*path < 0x7f,
			"a path with a byte that ends it");
}

int kev_http_start(
	struct kev_http *http, const struct kev_http_request *request, struct kev_http_transfer **out)
{
	struct kev_http_transfer *transfer = calloc(1, sizeof(*transfer));

	check(transfer != NULL, "no memory");
	check_path(request->path);
	transfer->request = *request;
	/* They live no longer than the call. */
	transfer->request.path = transfer->request.accept = transfer->request.if_none_match = NULL;
	*http->last = transfer;
	http->last = &transfer->next;
	http->started++;
	if (out)
		*out = transfer;
	return 0;
}

void kev_http_cancel(struct kev_http *http, struct kev_http_transfer *transfer)
{
	struct kev_http_transfer **at = &http->first;

	if (!transfer)
		return;
	while (*at != transfer)
		at = &(*at)->next;
	*at = transfer->next;
	if (!transfer->next)
		http->last = at;
	free(transfer);
}

void kev_http_give_up(struct kev_http *http, struct kev_http_transfer *transfer)
{
	kev_http_cancel(http, transfer);
}

/* Each request has a connection of its own, on which nothing else is heard. */
uint64_t kev_http_newest(const struct kev_http *http)
{
	return http->started;
}

int64_t kev_http_heard(const struct kev_http *http, const struct kev_http_transfer *transfer)
{
	(void)http, (void)transfer;
	return 0;
}

int64_t kev_http_quiet_since(const struct kev_http *http)
{
	return http->first ? 0 : INT64_MAX;
}

bool kev_http_refresh_credential(struct kev_http *http, struct kev_error *why)
{
	(void)http, (void)why;
	return true;
}

bool kev_http_is_waiting(const struct kev_http *http, const struct kev_http_transfer *transfer)
{
	(void)http, (void)transfer;
	return false;
}

int kev_http_append_query(struct kev_buf *out, struct kev_str s)
{
	for (size_t i = 0; i < s.len; i++)
		kev_buf_printf(out, "%%%02X", (unsigned char)s.data[i]);
	return out->error;
}

/** The oldest request's whole answer: whatever callback says stop, ends it. @param error  how it ended
 * otherwise */
static inline void answer_first(struct kev_http *http, const struct kev_http_response *head,
	struct kev_str body, size_t piece, int error)
{
	static const struct kev_error reason = {"broken off"};
	struct kev_http_transfer *transfer = http->first;
	const struct kev_http_request request = transfer->request;
	struct kev_http_result result = {.error = error, .response = *head};
	int r = request.head ? request.head(request.context, head) : 0;

	while (!r && body.len > 0) {
		struct kev_str part = {body.data, piece < body.len ? piece : body.len};

		r = request.body(request.context, part);
		body.data += part.len;
		body.len -= part.len;
	}
	if (r)
		result.error = -ECANCELED;
	if (result.error)
		result.reason = &reason;
	kev_http_cancel(http, transfer);
	request.done(request.context, &result);
}

#endif
