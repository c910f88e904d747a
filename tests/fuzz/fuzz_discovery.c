/*
 * Any bytes as a server's answers about its kinds, one for each request, in their order: separated by a NUL,
 * with a letter before each for its status. It ends, once, with kinds that a directory can be named by what
 * keeps them, or with a reason.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "http_stub.h"
#include "kevfs/cluster/discovery.h"
#include "kevfs/store/kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct end {
	struct kev_kinds *kinds;
	int count, result;
};

static int on_resource(void *context, struct kev_str group, struct kev_str kind, struct kev_str plural)
{
	struct end *end = context;
	int r = kev_kinds_add(end->kinds, group, kind, plural);

	check(end->count == 0, "a kind behind the end");
	check(kind.len > 0 && plural.len > 0 && !memchr(plural.data, '/', plural.len), "a kind");
	return r == -ENOMEM ? r : 0;
}

static void on_done(void *context, int result, const struct kev_error *error)
{
	struct end *end = context;

	check(end->count++ == 0, "a second end");
	check(result == 0 || result == -EALREADY || error->text[0], "an error without a text");
	end->result = result;
}

/* Answer the oldest request with the next piece. @return what is left */
static struct kev_str answer(struct kev_http *http, struct kev_str rest)
{
	static const int statuses[] = {200, 200, 200, 200, 304, 403, 404, 503};
	const char *end = rest.len ? memchr(rest.data, '\0', rest.len) : NULL;
	struct kev_str piece = {rest.data, end ? (size_t)(end - rest.data) : rest.len};
	struct kev_http_response head = {.status = 200,
		.retry_after = -1,
		.content_type = KEV_STR("application/json"),
		.etag = "\"e\""};

	rest.data += piece.len + (end ? 1 : 0);
	rest.len -= piece.len + (end ? 1 : 0);
	if (piece.len) {
		head.status = statuses[(unsigned char)piece.data[0] % KEV_ARRAY_LEN(statuses)];
		piece.data++;
		piece.len--;
	}
	answer_first(http, &head, piece, SIZE_MAX, 0);
	return rest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_str rest = {(const char *)data, size};
	struct kev_http http = {.first = NULL};
	struct end end = {.kinds = kev_kinds_create()};
	const struct kev_discovery_callbacks callbacks = {on_resource, on_done, &end};
	struct kev_discovery *discovery;

	http.last = &http.first;
	discovery = kev_discovery_create(&http, &callbacks);
	check(discovery && end.kinds, "no memory");
	/* The second time with what the first one gave for If-None-Match. */
	for (int i = 0; i < 2 && rest.len > 0; i++) {
		end.count = 0;
		check(kev_discovery_start(discovery) == 0, "no memory");
		while (http.first && (rest.len > 0 || http.started < 1000))
			rest = answer(&http, rest);
		check(http.first || end.count == 1, "no end, and nothing that is waited for");
		if (http.first)
			break;
	}
	kev_discovery_destroy(discovery);
	check(!http.first, "a request that is nobody's");
	kev_kinds_unref(end.kinds);
	return 0;
}
