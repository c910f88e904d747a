#ifndef KEVFS_TESTS_UNIT_WATCH_HTTP_STUB_H
#define KEVFS_TESTS_UNIT_WATCH_HTTP_STUB_H

#include "../test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kevfs/cluster/http.h"

/*
 * kev_http without a network: the test sees what is asked, and answers. As it defines all of http.h, the
 * linker leaves the real one out.
 */
struct kev_http_transfer {
	struct kev_http_transfer *next;
	unsigned number; /* of all, in the order of their start */
	char *path, *accept;
	struct kev_http_request request;
	int status;
	int64_t heard; /* when something came last on its connection; 0: all the time */
};

struct kev_http {
	struct kev_http_transfer *first; /* the oldest */
	bool can_refresh;
	const char *cannot_refresh; /* why; NULL: nothing is known */
	atomic_bool waiting;        /* for a credential */
	atomic_int runs;
	unsigned starts;
	int fail_starts; /* so many more requests cannot be started */
	int cancelled;
	uint64_t newest; /* connection, on which the next heads come */

	/* For the feed's thread: what a run does. */
	void (*run)(struct kev_http *http, void *context);
	void *context;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool woken; /* under lock */
};

/* The one that was created last. */
static struct kev_http *stub_http;

int kev_http_create(const struct kev_cluster_config *config, const struct kev_clock *clock,
	const char *user_agent, struct kev_http **out, struct kev_error *error)
{
	struct kev_http *http = calloc(1, sizeof(*http));

	(void)config, (void)clock, (void)error;
	if (!http)
		return -ENOMEM;
	assert_int_equal(strncmp(user_agent, "kevfs/", 6), 0);
	pthread_mutex_init(&http->lock, NULL);
	pthread_cond_init(&http->cond, NULL);
	stub_http = http;
	*out = http;
	return 0;
}

static void stub_free(struct kev_http *http, struct kev_http_transfer *transfer)
{
	struct kev_http_transfer **at = &http->first;

	while (*at != transfer) {
		assert_non_null(*at);
		at = &(*at)->next;
	}
	*at = transfer->next;
	free(transfer->path);
	free(transfer->accept);
	free(transfer);
}

void kev_http_destroy(struct kev_http *http)
{
	if (!http)
		return;
	/* Whoever started a transfer sees to its end. */
	assert_null(http->first);
	pthread_cond_destroy(&http->cond);
	pthread_mutex_destroy(&http->lock);
	free(http);
}

int kev_http_start(
	struct kev_http *http, const struct kev_http_request *request, struct kev_http_transfer **out)
{
	struct kev_http_transfer *transfer, **at = &http->first;

	if (http->fail_starts > 0) {
		http->fail_starts--;
		return -ENOMEM;
	}
	transfer = calloc(1, sizeof(*transfer));
	if (!transfer)
		return -ENOMEM;
	transfer->path = strdup(request->path);
	transfer->accept = strdup(request->accept);
	if (!transfer->path || !transfer->accept) {
		free(transfer->path);
		free(transfer->accept);
		free(transfer);
		return -ENOMEM;
	}
	transfer->number = ++http->starts;
	transfer->request = *request;
	transfer->request.path = transfer->request.accept = NULL;
	while (*at)
		at = &(*at)->next;
	*at = transfer;
	if (out)
		*out = transfer;
	return 0;
}

void kev_http_cancel(struct kev_http *http, struct kev_http_transfer *transfer)
{
	if (!transfer)
		return;
	http->cancelled++;
	stub_free(http, transfer);
}

void kev_http_give_up(struct kev_http *http, struct kev_http_transfer *transfer)
{
	kev_http_cancel(http, transfer);
}

int kev_http_run(struct kev_http *http, int timeout_ms)
{
	struct timespec until;

	atomic_fetch_add(&http->runs, 1);
	if (http->run)
		http->run(http, http->context);
	/* In short steps: the test may have something new to say. */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (timeout_ms < 2 ? timeout_ms : 2) * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&http->lock);
	if (!http->woken)
		pthread_cond_timedwait(&http->cond, &http->lock, &until);
	http->woken = false;
	pthread_mutex_unlock(&http->lock);
	return 0;
}

void kev_http_wakeup(struct kev_http *http)
{
	pthread_mutex_lock(&http->lock);
	http->woken = true;
	pthread_cond_signal(&http->cond);
	pthread_mutex_unlock(&http->lock);
}

uint64_t kev_http_newest(const struct kev_http *http)
{
	return http->newest;
}

int64_t kev_http_heard(const struct kev_http *http, const struct kev_http_transfer *transfer)
{
	(void)http;
	return transfer->heard ? transfer->heard : INT64_MAX / 2;
}

int64_t kev_http_quiet_since(const struct kev_http *http)
{
	int64_t since = INT64_MAX;

	for (struct kev_http_transfer *transfer = http->first; transfer; transfer = transfer->next)
		since = transfer->heard && transfer->heard < since ? transfer->heard : since;
	return since;
}

bool kev_http_refresh_credential(struct kev_http *http, struct kev_error *why)
{
	struct kev_error what = *why;

	if (http->cannot_refresh)
		kev_error_set(why, "%s; %s", what.text, http->cannot_refresh);
	return http->can_refresh;
}

bool kev_http_is_waiting(const struct kev_http *http, const struct kev_http_transfer *transfer)
{
	return atomic_load(&http->waiting) && (transfer || http->first);
}

int kev_http_append_query(struct kev_buf *out, struct kev_str s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] && strchr(plain, s.data[i]))
			kev_buf_append_char(out, s.data[i]);
		else
			kev_buf_printf(out, "%%%02X", (unsigned char)s.data[i]);
	}
	return out->error;
}

/** The request that is under way for that path (its beginning), or NULL. */
static inline struct kev_http_transfer *stub_find(struct kev_http *http, const char *path)
{
	struct kev_http_transfer *transfer = http->first;

	while (transfer && strncmp(transfer->path, path, strlen(path)) != 0)
		transfer = transfer->next;
	return transfer;
}

/** The head of an answer. */
static inline void stub_head(struct kev_http_transfer *transfer, int status)
{
	const struct kev_http_response response = {.status = status,
		.retry_after = -1,
		.content_type = KEV_STR("application/json"),
		.connection = stub_http->newest};

	transfer->status = status;
	if (transfer->request.head)
		assert_int_equal(transfer->request.head(transfer->request.context, &response), 0);
}

/** One that is not wanted: it ends the transfer, as the real one does. */
static inline void stub_head_refused(struct kev_http *http, struct kev_http_transfer *transfer, int status)
{
	const struct kev_http_response response = {
		.status = status, .retry_after = -1, .connection = http->newest};
	struct kev_error text = {"stopped"};
	const struct kev_http_result result = {.error = -ECANCELED, .response = response, .reason = &text};
	struct kev_http_request request = transfer->request;

	transfer->status = status;
	assert_int_equal(transfer->request.head(transfer->request.context, &response), -ECANCELED);
	stub_free(http, transfer);
	request.done(request.context, &result);
}

/** The end of an answer. The transfer is gone then. @param reason  of an error, else NULL */
static inline void stub_done(
	struct kev_http *http, struct kev_http_transfer *transfer, int error, const char *reason)
{
	struct kev_error text = {""};
	const struct kev_http_result result = {.error = error,
		.response = {.status = transfer->status, .retry_after = -1},
		.reason = reason ? &text : NULL};
	struct kev_http_request request = transfer->request;

	kev_error_set(&text, "%s", reason ? reason : "");
	stub_free(http, transfer);
	request.done(request.context, &result);
}

/** A piece of the body. A callback that says stop ends the transfer, as the real one does. */
static inline void stub_body(struct kev_http *http, struct kev_http_transfer *transfer, const char *text)
{
	if (transfer->request.body(transfer->request.context, kev_str_c(text)) != 0)
		stub_done(http, transfer, -ECANCELED, "stopped");
}

/** A whole answer. */
static inline void stub_answer(
	struct kev_http *http, struct kev_http_transfer *transfer, int status, const char *text)
{
	stub_head(transfer, status);
	if (transfer->request.body(transfer->request.context, kev_str_c(text)) != 0)
		stub_done(http, transfer, -ECANCELED, "stopped");
	else
		stub_done(http, transfer, 0, NULL);
}

#endif
