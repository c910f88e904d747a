#include "check_right.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/cluster/status.h"
#include "kevfs/event/envelope.h"
#include "kevfs/event/items.h"
#include "kevfs/event/json.h"

#define PATH_MAX_BYTES (64U << 10)
#define WORDS_MAX 2048
#define VERSION_MAX 128

/* Asked at once: a connection carries a hundred, if it is HTTP/2; else each takes one of its own. */
#define BATCH_HTTP2 64
#define BATCH 8

#define METADATA "g=meta.k8s.io;v=v1,application/json"

/* As the mount's watches have it. */
static const struct resource {
	const char *name, *list_accept, *watch_accept, *list_kinds[2];
} resources[] = {
	[KEV_SCOPE_EVENTS] = {"events", "application/json", "application/json", {"EventList", "EventList"}},
	[KEV_SCOPE_PODS] = {"pods", "application/json;as=PartialObjectMetadataList;" METADATA,
		"application/json;as=PartialObjectMetadata;" METADATA,
		{"PartialObjectMetadataList", "PodList"}},
	[KEV_SCOPE_NAMESPACES] = {"namespaces", "application/json;as=PartialObjectMetadataList;" METADATA,
		"application/json;as=PartialObjectMetadata;" METADATA,
		{"PartialObjectMetadataList", "NamespaceList"}},
};

/* A question, and the text that it borrows. */
struct asking {
	struct kev_buf path;
	struct kev_check_question question;
};

const char *kev_check_right_name(enum kev_scope_kind kind)
{
	return resources[kind].name;
}

bool kev_check_right_is_full(const struct kev_check_right *right)
{
	return right->list == KEV_CHECK_ALLOWED && right->watch == KEV_CHECK_ALLOWED;
}

int kev_check_right_append_path(const struct kev_check_right *right, struct kev_buf *out)
{
	kev_buf_append_c(out, "/api/v1/");
	if (right->namespace_) {
		kev_buf_append_c(out, "namespaces/");
		(void)kev_http_append_query(out, kev_str_c(right->namespace_));
		kev_buf_append_char(out, '/');
	}
	return kev_buf_append_c(out, resources[right->kind].name);
}

void kev_check_right_fini(struct kev_check_right *right)
{
	kev_buf_fini(&right->first);
	kev_buf_fini(&right->resource_version);
}

static void append_parameter(struct kev_buf *path, const char *name, struct kev_str value)
{
	if (!value.len)
		return;
	kev_buf_printf(path, "&%s=", name);
	(void)kev_http_append_query(path, value);
}

static int begin_asking(
	struct asking *asking, const struct kev_check *check, const struct kev_check_right *right, bool watch)
{
	const struct resource *resource = &resources[right->kind];

	kev_buf_init(&asking->path, PATH_MAX_BYTES);
	kev_check_right_append_path(right, &asking->path);
	kev_buf_append_c(
		&asking->path, watch ? "?watch=1&allowWatchBookmarks=true&timeoutSeconds=1" : "?limit=1");
	if (watch)
		append_parameter(&asking->path, "resourceVersion", kev_buf_str(&right->resource_version));
	if (right->kind == KEV_SCOPE_EVENTS)
		append_parameter(&asking->path, "fieldSelector", kev_str_c(check->options->field_selector));
	asking->question = (struct kev_check_question){.path = kev_buf_cstr(&asking->path),
		.accept = watch ? resource->watch_accept : resource->list_accept,
		.gzip = !watch,
		.watch = watch};
	return asking->path.error || !asking->question.path ? -ENOMEM : 0;
}

/* ---- answers ---- */

/* "User "x" cannot list resource "events" …", without what we say ourselves. */
static struct kev_str shorten(struct kev_str message)
{
	static const char infix[] = " is forbidden: ";
	const char *at = message.len ? memmem(message.data, message.len, infix, sizeof(infix) - 1) : NULL;

	if (!at)
		return message;
	at += sizeof(infix) - 1;
	return (struct kev_str){at, message.len - (size_t)(at - message.data)};
}

static enum kev_check_access take_refusal(struct kev_check_right *right, int status, struct kev_str words)
{
	words = shorten(words);
	kev_error_set(&right->why, "%d: %.*s", status, (int)words.len, words.len ? words.data : "");
	right->refused = status == 401;
	return status == 403 || status == 404 ? KEV_CHECK_FORBIDDEN : KEV_CHECK_BROKEN;
}

/* What an answer other than a list or a watch says. */
static enum kev_check_access take_trouble(
	struct kev_check_right *right, const struct kev_check_answer *answer)
{
	KEV_CLEANUP(buf_fini) struct kev_buf words;

	kev_buf_init(&words, WORDS_MAX);
	if (answer->error) {
		right->why = answer->why;
		return KEV_CHECK_BROKEN;
	}
	kev_check_append_words(answer, &words);
	return take_refusal(right, answer->status, kev_buf_str(&words));
}

static int on_item(void *context, struct kev_str item)
{
	struct kev_check_right *right = context;

	if (!right->first.len)
		(void)kev_buf_append_str(&right->first, item);
	return 0;
}

static int check_kind(const struct kev_check_right *right, struct kev_str kind, struct kev_error *error)
{
	const char *const *known = resources[right->kind].list_kinds;

	if (kev_str_eq(kind, kev_str_c(known[0])) || kev_str_eq(kind, kev_str_c(known[1])))
		return 0;
	kev_error_set(error, "a list of the kind \"%.*s\" where %s was expected", (int)kind.len,
		kind.len ? kind.data : "", known[0]);
	return -EINVAL;
}

static enum kev_check_access take_list(struct kev_check_right *right, const struct kev_check_answer *answer)
{
	KEV_CLEANUP(items_destroyp) struct kev_items *items = kev_items_create(on_item, right);
	int r = items ? 0 : -ENOMEM;

	if (!r)
		r = kev_items_feed(items, kev_buf_str(&answer->body), &right->why);
	if (!r)
		r = kev_items_finish(items, &right->why);
	if (!r)
		r = check_kind(right, kev_items_kind(items), &right->why);
	if (!r) {
		kev_buf_append_str(&right->resource_version, kev_items_resource_version(items));
		right->count = kev_items_count(items) + kev_items_remaining(items);
		return KEV_CHECK_ALLOWED;
	}
	if (r == -ENOMEM)
		kev_error_set(&right->why, "out of memory");
	else
		kev_error_prefix(&right->why, "not a Kubernetes API server's answer");
	return KEV_CHECK_BROKEN;
}

/* The first line of a watch may be an ERROR that says what a status would say. */
static enum kev_check_access take_watch(struct kev_check_right *right, const struct kev_check_answer *answer)
{
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();
	struct kev_str line = kev_buf_str(&answer->body);
	const char *end = line.len ? memchr(line.data, '\n', line.len) : NULL;
	enum kev_check_access access = KEV_CHECK_ALLOWED;
	struct kev_envelope envelope;
	struct kev_status status;

	if (!end)
		return access;
	line.len = (size_t)(end - line.data);
	if (!json || kev_json_scan(json, line, &right->why) || kev_envelope_read(json, &envelope)) {
		kev_error_set(&right->why, "not a watch of a Kubernetes API server's");
		return KEV_CHECK_BROKEN;
	}
	if (envelope.type != KEV_ENVELOPE_ERROR)
		return access;
	kev_status_init(&status);
	if (kev_status_read(&status, kev_json_raw(json, envelope.object)) == 0)
		access = take_refusal(right, status.code, kev_buf_str(&status.message));
	kev_status_fini(&status);
	return access;
}

static void take(struct kev_check_right *right, const struct kev_check_answer *answer, bool watch)
{
	enum kev_check_access access;

	if (answer->error || answer->status != 200)
		access = take_trouble(right, answer);
	else
		access = watch ? take_watch(right, answer) : take_list(right, answer);
	if (watch)
		right->watch = access;
	else
		right->list = access;
}

/* ---- asking ---- */

/* Watch, or list, what is to be. */
static int ask(struct kev_check *check, struct kev_check_right *rights, size_t count, bool watch)
{
	struct asking *askings = calloc(count, sizeof(*askings));
	struct kev_check_question *questions = calloc(count, sizeof(*questions));
	struct kev_check_answer *answers = calloc(count, sizeof(*answers));
	struct kev_check_right **asked = calloc(count, sizeof(struct kev_check_right *));
	size_t n = 0;
	int r = askings && questions && answers && asked ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && !r; i++) {
		if (watch && rights[i].list != KEV_CHECK_ALLOWED)
			continue;
		r = begin_asking(&askings[n], check, &rights[i], watch);
		questions[n] = askings[n].question;
		asked[n++] = &rights[i];
	}
	if (!r)
		kev_check_ask(&check->asker, questions, answers, n);
	for (size_t i = 0; i < n; i++) {
		if (!r)
			take(asked[i], &answers[i], watch);
		kev_check_answer_fini(&answers[i]);
		kev_buf_fini(&askings[i].path);
	}
	free(askings);
	free(questions);
	free(answers);
	free(asked);
	return r;
}

static void find(struct kev_check *check, struct kev_check_right *rights, size_t count)
{
	int r;

	for (size_t i = 0; i < count; i++) {
		rights[i].list = rights[i].watch = KEV_CHECK_UNKNOWN;
		kev_buf_init(&rights[i].first, KEV_CHECK_BODY_MAX);
		kev_buf_init(&rights[i].resource_version, VERSION_MAX);
	}
	r = ask(check, rights, count, false);
	if (!r)
		r = ask(check, rights, count, true);
	for (size_t i = 0; i < count && r; i++) {
		rights[i].list = KEV_CHECK_BROKEN;
		kev_error_set(&rights[i].why, "%s", strerror(-r));
	}
}

void kev_check_right_find(struct kev_check *check, struct kev_check_right *rights, size_t count)
{
	size_t batch = check->asker.http2 ? BATCH_HTTP2 : BATCH;

	for (size_t i = 0; i < count; i += batch)
		find(check, rights + i, count - i < batch ? count - i : batch);
}
