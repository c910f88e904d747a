#include "check_extras.h"

#include <string.h>

#include "kevfs/base/buf.h"

#define PATH_MAX_BYTES (64U << 10)

/* What an API server compresses is larger than this; so many events are. */
#define COMPRESSED_FROM (128U << 10)
#define PAGE 500

/* The name of no event: the API server then reads one key, not all. */
#define NOBODY "kevfs-check"

/* A list that a watch begins with (WatchList) ends with a bookmark that says so. */
static bool is_supported(const struct kev_check_answer *answer)
{
	static const char end[] = "k8s.io/initial-events-end";

	return !answer->error && answer->status == 200 && answer->body.len &&
	       memmem(answer->body.data, answer->body.len, end, sizeof(end) - 1);
}

static void report_watch_list(struct kev_check *check, const struct kev_check_right *events)
{
	const struct kev_check_right one = {
		.kind = KEV_SCOPE_EVENTS, .namespace_ = events->namespace_ ? events->namespace_ : "default"};
	KEV_CLEANUP(buf_fini) struct kev_buf path;
	struct kev_check_question question = {.watch = true};
	struct kev_check_answer answer;

	kev_buf_init(&path, PATH_MAX_BYTES);
	kev_check_right_append_path(&one, &path);
	kev_buf_append_c(&path,
		"?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
		"&allowWatchBookmarks=true&timeoutSeconds=1&fieldSelector=metadata.name%3D" NOBODY);
	question.path = kev_buf_cstr(&path);
	if (!question.path || path.error)
		return;
	kev_check_ask(&check->asker, &question, &answer, 1);
	if (is_supported(&answer))
		kev_check_ok(&check->report, "WatchList",
			"supported: lists that do not come in pages can be "
			"streamed");
	else
		kev_check_ok(&check->report, "WatchList", "not supported: all lists come in pages");
	kev_check_answer_fini(&answer);
}

static void report_page(struct kev_check *check, const struct kev_check_answer *answer)
{
	unsigned long long kib = answer->size >> 10;

	if (answer->error || answer->status != 200)
		kev_check_ok(&check->report, "compression", "not known");
	else if (answer->gzip)
		kev_check_ok(&check->report, "compression", "gzip: %llu KiB of events came compressed", kib);
	else if (answer->size <= COMPRESSED_FROM)
		kev_check_ok(&check->report, "compression",
			"not seen: there are too few events for it (%llu KiB)", kib);
	else
		kev_check_ok(&check->report, "compression",
			"none: %llu KiB of events came as they are, through the server or a proxy", kib);
}

static void report_compression(struct kev_check *check, const struct kev_check_right *events)
{
	KEV_CLEANUP(buf_fini) struct kev_buf path;
	struct kev_check_question question = {.gzip = true};
	struct kev_check_answer answer;

	kev_buf_init(&path, PATH_MAX_BYTES);
	if (check->cluster->disable_compression) {
		kev_check_ok(&check->report, "compression", "off: disable-compression of the kubeconfig");
		return;
	}
	kev_check_right_append_path(events, &path);
	kev_buf_printf(&path, "?limit=%d", PAGE);
	question.path = kev_buf_cstr(&path);
	if (!question.path || path.error)
		return;
	kev_check_ask(&check->asker, &question, &answer, 1);
	report_page(check, &answer);
	kev_check_answer_fini(&answer);
}

void kev_check_extras(struct kev_check *check, const struct kev_check_right *events)
{
	report_watch_list(check, events);
	report_compression(check, events);
}
