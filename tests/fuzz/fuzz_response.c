/*
 * Any bytes as a response: its head, line by line, and behind the blank line a body that says why it is a
 * refusal. What was understood is within its bounds; a head says the same in whatever lines curl hands on.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kevfs/base/text.h"
#include "kevfs/cluster/head.h"
#include "kevfs/cluster/status.h"

/* 2026-11-27T00:00:00Z */
#define NOW 1795737600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_text(const char *s, size_t room)
{
	return memchr(s, '\0', room) != NULL;
}

/* @return where the body begins */
static size_t read_head(struct kev_head *head, struct kev_str text)
{
	size_t at = 0;

	kev_head_init(head);
	while (at < text.len && !head->complete) {
		const char *end = memchr(text.data + at, '\n', text.len - at);
		size_t len = end ? (size_t)(end - text.data) + 1 - at : text.len - at;
		/* Exactly as large, so that AddressSanitizer sees a read past its end. */
		char *line = malloc(len);
		struct kev_head before = *head;
		int r;

		check(line != NULL, "no memory");
		memcpy(line, text.data + at, len);
		r = kev_head_line(head, (struct kev_str){line, len}, NOW);
		free(line);
		at += len;
		check(head->retry_after >= -1 && head->retry_after <= KEV_HEAD_RETRY_AFTER_MAX, "a wait");
		check(head->status == 0 || (head->status >= 100 && head->status <= 999), "a status");
		check(is_text(head->content_type, sizeof(head->content_type)) &&
				is_text(head->etag, sizeof(head->etag)) &&
				is_text(head->encoding, sizeof(head->encoding)),
			"a value without an end");
		if (r) {
			check(r != -EMSGSIZE || before.bytes + len > KEV_HEAD_MAX, "too long too early");
			break;
		}
		check(head->bytes <= KEV_HEAD_MAX, "a head that is too long");
	}
	check(!head->complete || head->status >= 200, "a response that is none");
	return at;
}

/* Is the text, but for foreign bytes within it, cut between characters? */
static void check_message(const struct kev_status *status, struct kev_str body)
{
	check(status->code >= 0 && status->code <= 999, "a code");
	check(status->retry_after >= -1 && status->retry_after <= 3600, "a wait");
	check(status->message.len <= 1024 && status->reason.len <= 256, "too much text");
	if (status->code == 0 && status->reason.len == 0)
		return;
	/* Only of JSON there is more than text, and jansson lets no bad byte through. */
	check(body.len > 0 && memchr(body.data, '{', body.len), "a Status out of nothing");
	for (size_t i = 0; i < status->message.len;) {
		size_t len = kev_text_decode_utf8(
			(struct kev_str){status->message.data + i, status->message.len - i}, NULL);

		check(len > 0, "half a character");
		i += len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_str text = {(const char *)data, size};
	struct kev_http_response response;
	struct kev_status status;
	struct kev_head head;
	size_t body = read_head(&head, text);

	response = kev_head_response(&head);
	check(response.content_type.len < sizeof(head.content_type), "a content type");
	kev_status_init(&status);
	check(kev_status_read(&status, (struct kev_str){text.data + body, text.len - body}) == 0,
		"no memory");
	check_message(&status, (struct kev_str){text.data + body, text.len - body});
	kev_status_fini(&status);
	return 0;
}
