#include "check_credential.h"

#include <stdio.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/defs.h"
#include "kevfs/cluster/http.h"
#include "kevfs/cluster/impersonation.h"
#include "kevfs/cluster/plugin_config.h"
#include "kevfs/event/json.h"

#define REVIEW_PATH "/apis/authentication.k8s.io/v1/selfsubjectreviews"
#define REVIEW "{\"kind\":\"SelfSubjectReview\",\"apiVersion\":\"authentication.k8s.io/v1\"}"

#define TEXT_MAX 2048

/* Whom a mount cannot outlive for long is worth a word. What is in a file may be renewed there, any time. */
#define CERTIFICATE_SOON (7 * 86400 * KEV_NS_PER_SEC)
#define TOKEN_SOON (86400 * KEV_NS_PER_SEC)

/* So many of the groups are told. */
#define GROUPS_MAX 8

/* What we send, in words, and when it ends: ns since the epoch; 0: not known. */
struct words {
	struct kev_buf text;
	int64_t until;
	int64_t soon; /* before this much is left of it, all is well */
	const char *renew;
	bool refused; /* we may not act as whom the kubeconfig names */
};

static void describe_certificate(
	const struct kev_cluster_config *config, const struct kev_badge *badge, struct words *out)
{
	kev_buf_printf(&out->text, "the client certificate of %s, signed by %s", badge->certificate.subject,
		badge->certificate.issuer);
	if (config->plugin)
		kev_buf_printf(&out->text, ", which the exec plugin %s prints", config->plugin->name);
	out->until = badge->certificate.until * KEV_NS_PER_SEC;
	out->soon = config->plugin ? 0 : CERTIFICATE_SOON;
	out->renew = "have the client certificate renewed";
}

static void describe_token(
	const struct kev_cluster_config *config, const struct kev_badge *badge, struct words *out)
{
	if (config->plugin)
		kev_buf_printf(&out->text, "the token that the exec plugin %s prints", config->plugin->name);
	else if (config->token_file)
		kev_buf_printf(&out->text, "the token in %s", config->token_file);
	else
		kev_buf_append_c(&out->text, "a token");
	out->until = badge->token.until * KEV_NS_PER_SEC;
	/* A pod's is renewed in its file, well before it ends; a plugin runs again. */
	out->soon = config->token_file || config->plugin ? 0 : TOKEN_SOON;
	out->renew = "get a new token (log in again, or: kubectl create token)";
}

static void describe(struct kev_check *check, const struct kev_badge *badge, struct words *out)
{
	if (badge->has_certificate)
		describe_certificate(check->cluster, badge, out);
	/* The server looks at the certificate first. */
	if (!badge->has_certificate && badge->header == KEV_BADGE_TOKEN)
		describe_token(check->cluster, badge, out);
	else if (!badge->has_certificate && badge->header == KEV_BADGE_PASSWORD) {
		kev_buf_append_c(&out->text, "a user name and a password");
		out->renew = "API servers take no passwords since Kubernetes 1.19, unless a proxy does";
	}
	if (!out->text.len) {
		snprintf(check->user, sizeof(check->user), "%s", KEV_CHECK_ANONYMOUS);
		kev_buf_append_c(&out->text, "none: anonymous");
		out->renew = "name a context that has a credential";
	}
}

static void append_until(const struct kev_check *check, struct words *words)
{
	int64_t left = words->until - kev_clock_realtime(check->clock);
	char date[KEV_CHECK_TIME_SIZE], span[KEV_CHECK_TIME_SIZE];

	if (!words->until)
		return;
	kev_buf_printf(&words->text, ", until %s (%s%s)", kev_check_date(words->until / KEV_NS_PER_SEC, date),
		kev_check_span(left < 0 ? -left : left, span), left < 0 ? " ago" : "");
}

/* ---- what the server makes of it ---- */

static void append_groups(const struct kev_json *json, uint32_t groups, struct kev_buf *out)
{
	uint32_t count, at = groups + 1;

	if (!kev_json_is(json, groups, KEV_JSON_ARRAY))
		return;
	count = kev_json_token(json, groups)->count;
	for (uint32_t i = 0; i < count && i < GROUPS_MAX; i++, at = kev_json_token(json, at)->next) {
		kev_buf_append_c(out, i ? ", " : " (groups ");
		kev_json_append_string(json, at, out);
	}
	if (count)
		kev_buf_append_c(out, count > GROUPS_MAX ? ", ...)" : ")");
}

/* The body of a review: the user's name and groups. @return whether it says one */
static bool read_review(struct kev_check *check, struct kev_str body, struct kev_buf *out)
{
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();
	KEV_CLEANUP(buf_fini) struct kev_buf name;
	uint32_t user;

	kev_buf_init(&name, TEXT_MAX);
	if (!json || kev_json_scan(json, body, NULL))
		return false;
	user = kev_json_get(json, kev_json_get(json, 0, "status"), "userInfo");
	if (kev_json_append_string(json, kev_json_get(json, user, "username"), &name) || !name.len)
		return false;
	snprintf(check->user, sizeof(check->user), "%.*s", (int)name.len, name.data);
	kev_buf_printf(out, "; the server calls us %.*s", (int)name.len, name.data);
	append_groups(json, kev_json_get(json, user, "groups"), out);
	return true;
}

/* What the answer to a review says, or why it says nothing. */
static void append_verdict(
	struct kev_check *check, const struct kev_check_answer *answer, struct kev_buf *out)
{
	bool well = answer->status == 200 || answer->status == 201;

	if (well && read_review(check, kev_buf_str(&answer->body), out))
		return;
	if (answer->status == 404)
		kev_buf_append_c(out, "; the server is too old to say who that is (before Kubernetes 1.28)");
	else if (!answer->status)
		kev_buf_printf(out, "; the server does not say who that is: %s", answer->why.text);
	else
		kev_buf_printf(out, "; the server does not say who that is: %d", answer->status);
}

/* A server may let us act as somebody else, but only to list and watch: what Events are asked with decides.
 */
static bool append_impersonation(
	const struct kev_check *check, const struct kev_check_answer *answer, struct kev_buf *out)
{
	KEV_CLEANUP(buf_fini) struct kev_buf said;
	struct kev_error error = {""};

	kev_buf_init(&said, TEXT_MAX);
	if (answer->status != 403)
		return false;
	kev_check_append_words(answer, &said);
	if (!kev_impersonation_is_refused(check->cluster->impersonate, kev_buf_str(&said), &error))
		return false;
	kev_buf_printf(out, "; the server does not say who that is: 403: %s", error.text);
	return true;
}

/* @return whether the server has not refused it */
static bool ask_review(struct kev_check *check, struct words *words)
{
	const struct kev_check_question question = {.path = REVIEW_PATH, .post = REVIEW};
	struct kev_check_answer answer;
	bool accepted;

	kev_check_ask(&check->asker, &question, &answer, 1);
	/* A server that answers without having read what we send may reset the stream behind its answer: the
	 * status counts. */
	accepted = answer.status != 401;
	words->refused = append_impersonation(check, &answer, &words->text);
	if (accepted && !words->refused)
		append_verdict(check, &answer, &words->text);
	kev_check_answer_fini(&answer);
	return accepted;
}

static void report_refused(struct kev_check *check, struct words *words, const struct kev_check_answer *first)
{
	KEV_CLEANUP(buf_fini) struct kev_buf said;

	kev_buf_init(&said, TEXT_MAX);
	if (first->status == 401)
		kev_check_append_words(first, &said);
	kev_check_fail(&check->report, KEV_CHECK_CREDENTIAL, "credential", words->renew,
		"%.*s: the server does not accept it: 401%s%.*s", (int)words->text.len, words->text.data,
		said.len ? ": " : "", (int)said.len, said.len ? said.data : "");
}

static bool report(struct kev_check *check, struct words *words, const struct kev_check_answer *first)
{
	int64_t left = words->until - kev_clock_realtime(check->clock);

	append_until(check, words);
	if (first->status == 401 || !ask_review(check, words)) {
		report_refused(check, words, first);
		return false;
	}
	if (words->refused)
		kev_check_warn(&check->report, "credential", KEV_IMPERSONATION_ADVICE, "%.*s",
			(int)words->text.len, words->text.data);
	else if (words->until && left < words->soon)
		kev_check_warn(&check->report, "credential", words->renew, "%.*s", (int)words->text.len,
			words->text.data);
	else
		kev_check_ok(&check->report, "credential", "%.*s", (int)words->text.len, words->text.data);
	return true;
}

bool kev_check_credential(struct kev_check *check, const struct kev_check_answer *first)
{
	struct kev_badge badge;
	struct kev_error error = {""};
	struct words words = {.until = 0};
	bool accepted = false;
	int r;

	kev_buf_init(&words.text, 2 * TEXT_MAX);
	r = kev_http_badge(check->asker.http, &badge, &error);
	if (r) {
		kev_check_fail(&check->report, KEV_CHECK_CREDENTIAL, "credential", NULL, "%s",
			error.text[0] ? error.text : strerror(-r));
	} else {
		describe(check, &badge, &words);
		accepted = report(check, &words, first);
	}
	kev_buf_fini(&words.text);
	return accepted;
}
