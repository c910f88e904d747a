#include <string.h>

#include "kevfs/base/log.h"

#include "watcher_internal.h"

/* What the log, the status and whoever mounts hear of it. */

/* Put the place before what w->why says of an answer that makes no sense. */
void kev_watcher_explain_garbage(struct kev_watcher *w)
{
	kev_error_prefix(&w->why, "%s: %s %s: the answer is not a Kubernetes API server's", w->config.server,
		w->watching ? "watching" : "listing", kev_watcher_label(w));
}

/* "User "x" cannot list resource "events" …": the server's words, without what we say ourselves. */
static void explain_denial(struct kev_watcher *w, struct kev_str message)
{
	static const char infix[] = " is forbidden: ";
	/* Else what follows, that it may be in some of them, reads as if it failed. */
	bool whole = w->config.kind == KEV_SCOPE_EVENTS && !w->config.namespace_;
	const char *at = message.data ? memmem(message.data, message.len, infix, sizeof(infix) - 1) : NULL;

	if (at) {
		message.len -= (size_t)(at - message.data) + sizeof(infix) - 1;
		message.data = at + sizeof(infix) - 1;
	}
	kev_error_set(&w->why, "%s may not be %s%s: %.*s", kev_watcher_label(w),
		w->watching ? "watched" : "listed", whole ? " in all namespaces at once" : "",
		(int)message.len, message.data ? message.data : "");
}

void kev_watcher_explain_refusal(struct kev_watcher *w, struct kev_str message)
{
	int len = (int)message.len;
	const char *text = message.data ? message.data : "";

	if (w->status == 403)
		explain_denial(w, message);
	else if (w->status == 401)
		kev_error_set(
			&w->why, "%s does not accept the credential: 401: %.*s", w->config.server, len, text);
	else
		kev_error_set(&w->why, "%s: %s %s: %d: %.*s", w->config.server,
			w->watching ? "watching" : "listing", kev_watcher_label(w), w->status, len, text);
}

/* @param level  that a namespace may not be seen is no news where it never could */
static void log_denial(struct kev_watcher *w, enum kev_log_level level)
{
	const char *consequence = "only those that events mention are shown";

	if (w->config.kind == KEV_SCOPE_EVENTS)
		consequence = w->config.namespace_ ? "its directory says so"
						   : "the namespaces are watched one by one";
	kev_log(level, "%s; %s", w->why.text, consequence);
	w->troubled = level == KEV_LOG_WARNING;
}

static enum kev_log_level denial_level(const struct kev_watcher *w)
{
	bool known = w->complete || w->config.shown || !w->config.namespace_;

	return known ? KEV_LOG_WARNING : KEV_LOG_INFO;
}

static void tell_failed(struct kev_watcher *w, const struct kev_reflector_input *input)
{
	static const struct kev_error no_memory = {"out of memory"};

	kev_health_failed(
		w->config.health, w->health, input->event == KEV_REFLECTOR_LOST ? &no_memory : &w->why);
}

static const char *why_listed(enum kev_reflector_event event)
{
	if (event == KEV_REFLECTOR_MOVED)
		return "the server may be another one";
	return event == KEV_REFLECTOR_SILENT ? "what came last does not come again"
					     : "the watch has ended too early";
}

/* The log tells once that something does not work, and once that it works again; what lies in between, only
 * who asks for it. */
void kev_watcher_log_failure(struct kev_watcher *w, const struct kev_reflector_input *input,
	const struct kev_reflector_action *action)
{
	enum kev_log_level level = w->troubled || w->quiet || w->denied ? KEV_LOG_INFO : KEV_LOG_WARNING;

	if (action->denied)
		kev_health_denied(w->config.health, w->health, &w->why);
	else if (action->next == KEV_REFLECTOR_WAIT)
		tell_failed(w, input);
	if (action->denied) {
		if (!w->quiet)
			log_denial(w, denial_level(w));
	} else if (action->next == KEV_REFLECTOR_WAIT) {
		kev_log(level, "%s; next try in %.1f s",
			input->event == KEV_REFLECTOR_LOST ? "out of memory" : w->why.text,
			(double)action->wait / KEV_NS_PER_SEC);
		w->troubled = w->troubled || (!w->quiet && !w->denied);
	} else if (action->next == KEV_REFLECTOR_LIST && w->watching && !w->probing &&
		   input->event != KEV_REFLECTOR_TIMER) {
		kev_log_info("%s: %s; listing anew", kev_watcher_label(w), why_listed(input->event));
	}
}

void kev_watcher_speak(struct kev_watcher *w, bool denial)
{
	if (w->quiet && w->denied)
		log_denial(w, denial ? KEV_LOG_WARNING : KEV_LOG_INFO);
	w->quiet = false;
}
