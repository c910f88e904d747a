#include "check_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kevfs/cluster/status.h"

/* A watch is asked to end by itself after a second; a server that forgets about it is not waited for. */
#define WATCH_STEP 5

int kev_check_left(const struct kev_check_asker *asker)
{
	int64_t left = asker->deadline - kev_clock_monotonic(asker->clock);

	if (left <= 0)
		return 0;
	left = (left + KEV_NS_PER_SEC - 1) / KEV_NS_PER_SEC;
	return left < KEV_CHECK_STEP ? (int)left : KEV_CHECK_STEP;
}

static int on_head(void *context, const struct kev_http_response *response)
{
	struct kev_check_answer *answer = context;

	answer->status = response->status;
	answer->retry_after = response->retry_after;
	answer->gzip = response->gzip;
	snprintf(answer->type, sizeof(answer->type), "%.*s", (int)response->content_type.len,
		response->content_type.len ? response->content_type.data : "");
	kev_check_skew_add(
		&answer->asker->skew, answer->sent, kev_clock_realtime(answer->asker->clock), response->date);
	return 0;
}

static int on_body(void *context, struct kev_str piece)
{
	struct kev_check_answer *answer = context;
	size_t room = answer->body.max - answer->body.len;

	answer->size += piece.len;
	if (piece.len > room)
		piece.len = room;
	(void)kev_buf_append_str(&answer->body, piece);
	/* Nobody counts how long one without an end is. */
	return answer->body.error || answer->body.len == answer->body.max ? -ECANCELED : 0;
}

static void on_done(void *context, const struct kev_http_result *result)
{
	struct kev_check_answer *answer = context;
	bool cut = result->error == -ECANCELED && !answer->body.error;

	answer->done = true;
	answer->transfer = NULL;
	answer->asker->connections += answer->peer.made;
	answer->asker->http2 |= answer->peer.http2;
	if (cut || (answer->watch && answer->status == 200))
		return;
	answer->error = answer->body.error ? -ENOMEM : result->error;
	if (result->error)
		answer->why = *result->reason;
}

static void fail(struct kev_check_answer *answer, int error, const char *why)
{
	answer->done = true;
	answer->error = error;
	kev_error_set(&answer->why, "%s", why);
}

static void start(struct kev_check_asker *asker, const struct kev_check_question *question,
	struct kev_check_answer *answer)
{
	int left = kev_check_left(asker);
	struct kev_http_request request = {.path = question->path,
		.accept = question->accept ? question->accept : "application/json",
		.post = question->post,
		.gzip = question->gzip,
		.total_timeout = question->watch && left > WATCH_STEP ? WATCH_STEP : left,
		.head = on_head,
		.body = on_body,
		.done = on_done,
		.context = answer,
		.peer = &answer->peer};

	*answer = (struct kev_check_answer){.asker = asker, .watch = question->watch, .retry_after = -1};
	kev_buf_init(&answer->body, KEV_CHECK_BODY_MAX);
	answer->sent = kev_clock_realtime(asker->clock);
	if (!left)
		fail(answer, -ETIMEDOUT, "no time is left for it (-o sync_timeout)");
	else if (kev_http_start(asker->http, &request, &answer->transfer))
		fail(answer, -ENOMEM, strerror(ENOMEM));
}

static bool all_done(const struct kev_check_answer *answers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!answers[i].done)
			return false;
	}
	return true;
}

void kev_check_ask(struct kev_check_asker *asker, const struct kev_check_question *questions,
	struct kev_check_answer *answers, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count; i++)
		start(asker, &questions[i], &answers[i]);
	/* Each has a timeout, so this ends. */
	while (!r && !all_done(answers, count))
		r = kev_http_run(asker->http, 1000);
	for (size_t i = 0; i < count; i++) {
		if (answers[i].done)
			continue;
		kev_http_cancel(asker->http, answers[i].transfer);
		fail(&answers[i], r, strerror(-r));
	}
}

void kev_check_answer_fini(struct kev_check_answer *answer)
{
	kev_buf_fini(&answer->body);
}

void kev_check_append_words(const struct kev_check_answer *answer, struct kev_buf *out)
{
	struct kev_status status;

	kev_status_init(&status);
	if (kev_status_read(&status, kev_buf_str(&answer->body)) == 0)
		kev_buf_append_str(out, kev_buf_str(&status.message));
	kev_status_fini(&status);
}
