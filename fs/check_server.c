#include "check_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check_credential.h"
#include "check_name.h"
#include "check_run.h"

#include "kevfs/cluster/origin.h"
#include "kevfs/event/json.h"

#define USER_AGENT "kevfs/" KEVFS_VERSION
#define TEXT_MAX 1024

/* A certificate that ends sooner is worth a word. */
#define CERTIFICATE_SOON (7 * 86400 * KEV_NS_PER_SEC)

/* Of a body that is none of an API server's, so much is shown. */
#define SHOWN_MAX 80

static bool is_refused_certificate(const struct kev_check_answer *answer)
{
	return answer->error == -EPROTO && strstr(answer->why.text, " alert ");
}

enum kev_check_exit kev_check_stage(const struct kev_check_answer *answer, bool secure)
{
	const struct kev_peer *peer = &answer->peer;

	switch (answer->error) {
	case -ENOMEM:
		return KEV_CHECK_INTERNAL;
	case -EKEYREJECTED:
		return KEV_CHECK_TLS;
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -EPROTO:
	case -ETIMEDOUT:
		break;
	default: /* there was none to send */
		return KEV_CHECK_CREDENTIAL;
	}
	if (!peer->reached)
		return peer->resolved || answer->error != -EHOSTUNREACH ? KEV_CHECK_CONNECTION
									: KEV_CHECK_NAME;
	if (peer->proxy_status >= 300)
		return KEV_CHECK_CONNECTION;
	/* Who takes the connection and says nothing may be a server that hangs: its kernel answers for it. */
	if (secure && !peer->secured && answer->error != -ETIMEDOUT)
		return KEV_CHECK_TLS;
	/* With TLS 1.3 the server looks at our certificate when the handshake is over for us. */
	return secure && is_refused_certificate(answer) ? KEV_CHECK_CREDENTIAL : KEV_CHECK_SERVER;
}

/* ---- what was reached ---- */

static void report_connection(
	struct kev_check *check, const struct kev_check_answer *answer, const struct kev_check_way *way)
{
	const struct kev_peer *peer = &answer->peer;
	int64_t took = peer->connected - peer->resolved;
	char span[KEV_CHECK_TIME_SIZE], to[128] = "there is one", after[KEV_CHECK_TIME_SIZE + 4] = "";

	if (peer->address[0])
		snprintf(to, sizeof(to), "to %s, port %d", peer->address, peer->port);
	if (took > 0)
		snprintf(after, sizeof(after), " (%s)", kev_check_span(took, span));
	if (way->proxy)
		kev_check_ok(&check->report, "connection", "%s%s: the proxy %s, which %s names", to, after,
			way->proxy, way->said_by);
	else
		kev_check_ok(&check->report, "connection", "%s%s", to, after);
}

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static void report_plain(struct kev_check *check, const struct kev_peer *peer)
{
	if (kev_cluster_config_withholds_credential(check->cluster))
		kev_check_warn(&check->report, "TLS", "write https:// if the server speaks it",
			"none: the server is plain http, so the credential is not sent");
	else if (is_loopback(peer->address))
		kev_check_ok(&check->report, "TLS", "none: plain http, to this machine");
	else
		kev_check_warn(&check->report, "TLS", "write https:// if the server speaks it",
			"none: plain http, so anybody in between can read along, and change what is read");
}

/* The handshake is over, so the certificate was accepted, or is not looked at. */
static void report_tls(struct kev_check *check, const struct kev_peer *peer)
{
	const struct kev_certificate *certificate = &peer->certificate;
	int64_t left = certificate->until * KEV_NS_PER_SEC - kev_clock_realtime(check->clock);
	char date[KEV_CHECK_TIME_SIZE], span[KEV_CHECK_TIME_SIZE];

	if (!certificate->until)
		kev_check_ok(&check->report, "TLS", "%s", peer->tls[0] ? peer->tls : "it is");
	else if (check->cluster->insecure)
		kev_check_warn(&check->report, "TLS",
			"give the certificate-authority in place of insecure-skip-tls-verify",
			"%s; the certificate is not checked; it says that it is %s's, signed by %s",
			peer->tls, certificate->subject, certificate->issuer);
	else if (left < CERTIFICATE_SOON)
		kev_check_warn(&check->report, "TLS", "have it renewed on the server",
			"%s; the certificate of %s, signed by %s, ends on %s", peer->tls,
			certificate->subject, certificate->issuer, kev_check_date(certificate->until, date));
	else
		kev_check_ok(&check->report, "TLS", "%s; the certificate of %s, signed by %s, until %s (%s)",
			peer->tls, certificate->subject, certificate->issuer,
			kev_check_date(certificate->until, date), kev_check_span(left, span));
}

static void report_reached(struct kev_check *check, const struct kev_check_answer *answer,
	const struct kev_check_way *way, bool secure)
{
	report_connection(check, answer, way);
	if (secure)
		report_tls(check, &answer->peer);
	else
		report_plain(check, &answer->peer);
}

/* ---- what was not ---- */

static const char *advise_connection(const struct kev_check_answer *answer, const struct kev_check_way *way)
{
	if (answer->peer.proxy_status >= 300)
		return "the proxy does not let us through: ask who runs it, or name the server in NO_PROXY";
	if (answer->error == -ECONNREFUSED)
		return way->proxy ? "is the proxy running, and its port right?"
				  : "is the API server running, and the port right?";
	return "a firewall, a VPN that is off, or a wrong address?";
}

static const char *advise_tls(const struct kev_check_answer *answer)
{
	if (answer->error == -ECONNRESET)
		return "it ends the connection: is this the API server's port, and does something in between "
		       "forbid it?";
	return "is this the API server's port, and does it speak https?";
}

static const char *advise_server(
	const struct kev_check_answer *answer, const struct kev_check_way *way, bool secure)
{
	if (answer->error != -ETIMEDOUT)
		return "is this the API server's address?";
	if (!secure || answer->peer.secured)
		return "it is there, but does not answer: is it overloaded?";
	return way->proxy ? "the connection is there, but nobody answers: does the proxy hang, or the server?"
			  : "it takes the connection, but does not answer: does it hang, or is the port "
			    "another's?";
}

/* Ask who signed what was not accepted: without any credential, by a connection that trusts everybody. Not
 * through a proxy, whose password would then go to whoever answers. */
static void look_at_certificate(struct kev_check *check, struct kev_peer *out)
{
	const struct kev_cluster_config stranger = {.source = check->cluster->source,
		.server = check->cluster->server,
		.tls_server_name = check->cluster->tls_server_name,
		.insecure = true};
	const struct kev_check_question question = {.path = "/version"};
	struct kev_check_asker asker = {.clock = check->clock, .deadline = check->deadline};
	struct kev_check_answer answer;

	if (kev_http_create(&stranger, check->clock, USER_AGENT, &asker.http, NULL))
		return;
	kev_check_ask(&asker, &question, &answer, 1);
	*out = answer.peer;
	kev_check_answer_fini(&answer);
	kev_http_destroy(asker.http);
}

static const char *advise_certificate(const struct kev_check *check, const struct kev_check_answer *answer,
	const struct kev_certificate *certificate)
{
	int64_t now = kev_clock_realtime(check->clock) / KEV_NS_PER_SEC;

	if (strstr(answer->why.text, "not for that name"))
		return "correct the server's URL, or give a tls-server-name that is one of these";
	if (certificate->until < now)
		return "have it renewed on the server; or is the clock of this machine wrong?";
	if (certificate->from > now)
		return "it is not valid yet: is the clock of this machine wrong?";
	return "if that is the server, the certificate of who signed it belongs into the kubeconfig, as "
	       "certificate-authority";
}

static void report_certificate(
	struct kev_check *check, const struct kev_check_answer *answer, const struct kev_check_way *way)
{
	const struct kev_certificate *certificate;
	char from[KEV_CHECK_TIME_SIZE], until[KEV_CHECK_TIME_SIZE];
	struct kev_peer peer = {.port = 0};

	if (!way->proxy)
		look_at_certificate(check, &peer);
	certificate = &peer.certificate;
	if (certificate->until)
		kev_check_fail(&check->report, KEV_CHECK_TLS, "TLS",
			advise_certificate(check, answer, certificate),
			"%s; it is %s's (%s), signed by %s, from %s until %s", answer->why.text,
			certificate->subject, certificate->names[0] ? certificate->names : "no names",
			certificate->issuer, kev_check_date(certificate->from, from),
			kev_check_date(certificate->until, until));
	else
		kev_check_fail(&check->report, KEV_CHECK_TLS, "TLS", NULL, "%s", answer->why.text);
}

/* No answer: say how far it came, and what stood in the way. */
static void report_unreached(struct kev_check *check, const struct kev_check_answer *answer,
	const struct kev_check_way *way, bool secure)
{
	enum kev_check_exit stage = kev_check_stage(answer, secure);

	if (stage >= KEV_CHECK_TLS && answer->peer.reached)
		report_connection(check, answer, way);
	if (stage > KEV_CHECK_TLS && answer->peer.secured)
		report_tls(check, &answer->peer);
	switch ((int)stage) {
	case KEV_CHECK_NAME:
	case KEV_CHECK_CONNECTION:
		kev_check_fail(&check->report, stage, stage == KEV_CHECK_NAME ? "name" : "connection",
			advise_connection(answer, way), "%s", answer->why.text);
		break;
	case KEV_CHECK_TLS:
		if (answer->error == -EKEYREJECTED)
			report_certificate(check, answer, way);
		else
			kev_check_fail(
				&check->report, stage, "TLS", advise_tls(answer), "%s", answer->why.text);
		break;
	case KEV_CHECK_CREDENTIAL:
		kev_check_fail(&check->report, stage, "credential",
			is_refused_certificate(answer)
				? "does the cluster know who signed the client certificate?"
				: NULL,
			"%s", answer->why.text);
		break;
	case KEV_CHECK_SERVER:
		kev_check_fail(&check->report, stage, "API server", advise_server(answer, way, secure), "%s",
			answer->why.text);
		break;
	default:
		kev_check_fail(&check->report, stage, "memory", NULL, "%s", answer->why.text);
	}
}

/* ---- what it is ---- */

/* @return whether the body is a version's */
static bool read_version(const struct kev_check_answer *answer, struct kev_buf *out)
{
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();
	uint32_t version;

	if (!json || kev_json_scan(json, kev_buf_str(&answer->body), NULL))
		return false;
	version = kev_json_get(json, 0, "gitVersion");
	if (!kev_json_is(json, version, KEV_JSON_STRING))
		return false;
	return kev_json_append_string(json, version, out) == 0 && out->len > 0;
}

/* A Status, as the API machinery itself writes it? */
static bool is_status(const struct kev_check_answer *answer)
{
	KEV_CLEANUP(json_destroyp) struct kev_json *json = kev_json_create();

	return json && kev_json_scan(json, kev_buf_str(&answer->body), NULL) == 0 &&
	       kev_json_string_is(json, kev_json_get(json, 0, "kind"), KEV_STR("Status"));
}

static void report_stranger(struct kev_check *check, const struct kev_check_answer *answer)
{
	KEV_CLEANUP(buf_fini) struct kev_buf words;

	kev_buf_init(&words, TEXT_MAX);
	kev_check_append_words(answer, &words);
	kev_check_fail(&check->report, KEV_CHECK_SERVER, "API server",
		answer->status >= 300 && answer->status < 400
			? "redirects are not followed: give the URL that it leads to"
			: "is the URL that of the API server (port, path)?",
		"it answers, but not as a Kubernetes API server: %d %s: %.*s", answer->status, answer->type,
		(int)(words.len < SHOWN_MAX ? words.len : SHOWN_MAX), words.len ? words.data : "");
}

static void report_trouble(struct kev_check *check, const struct kev_check_answer *answer)
{
	KEV_CLEANUP(buf_fini) struct kev_buf words;
	KEV_CLEANUP(buf_fini) struct kev_buf next;

	kev_buf_init(&words, TEXT_MAX);
	kev_buf_init(&next, TEXT_MAX);
	kev_check_append_words(answer, &words);
	kev_buf_append_c(&next, "try again");
	if (answer->retry_after > 0)
		kev_buf_printf(&next, " in %d s, as it asks", answer->retry_after);
	kev_check_fail(&check->report, KEV_CHECK_SERVER, "API server", kev_buf_cstr(&next),
		"it has trouble of its own: %d: %.*s", answer->status, (int)words.len,
		words.len ? words.data : "");
}

/* @return whether it is one to ask further */
static bool report_version(struct kev_check *check, const struct kev_check_answer *answer)
{
	KEV_CLEANUP(buf_fini) struct kev_buf version;

	kev_buf_init(&version, 128);
	if (answer->status == 429 || answer->status >= 500) {
		report_trouble(check, answer);
		return false;
	}
	if (answer->status == 200 && read_version(answer, &version)) {
		kev_check_ok(&check->report, "API server", "Kubernetes %.*s", (int)version.len, version.data);
		return true;
	}
	if (answer->status == 401)
		return true; /* which the credential's line tells */
	if (answer->status == 403 && is_status(answer)) {
		kev_check_ok(
			&check->report, "API server", "Kubernetes, of a version that it does not tell us");
		return true;
	}
	report_stranger(check, answer);
	return false;
}

static bool ask_server(struct kev_check *check, const struct kev_check_way *way, bool secure)
{
	const struct kev_check_question question = {.path = "/version"};
	struct kev_check_answer answer;
	bool go_on = false;

	kev_check_ask(&check->asker, &question, &answer, 1);
	if (answer.error) {
		report_unreached(check, &answer, way, secure);
	} else {
		report_reached(check, &answer, way, secure);
		go_on = report_version(check, &answer) && kev_check_credential(check, &answer);
	}
	kev_check_answer_fini(&answer);
	return go_on;
}

/* The credential's files are read here for the first time. */
static int create_http(struct kev_check *check)
{
	struct kev_error error = {""};
	int r = kev_http_create(check->cluster, check->clock, USER_AGENT, &check->asker.http, &error);

	if (r == -ENOMEM)
		kev_check_fail(&check->report, KEV_CHECK_INTERNAL, "memory", NULL, "%s", strerror(ENOMEM));
	else if (r)
		kev_check_fail(&check->report, KEV_CHECK_CREDENTIAL, "credential",
			"have it renewed, or correct the kubeconfig", "%s", error.text);
	return r;
}

bool kev_check_server(struct kev_check *check)
{
	struct kev_error error = {""};
	struct kev_origin origin;
	struct kev_check_way way;
	bool go_on = false;
	int r = kev_origin_init(&origin, check->cluster);

	if (r) {
		kev_check_fail(&check->report, KEV_CHECK_INTERNAL, "memory", NULL, "%s", strerror(-r));
		return false;
	}
	r = kev_check_way_init(&way, check->cluster, &origin, &error);
	if (r)
		kev_check_fail(&check->report, KEV_CHECK_CONFIG, "proxy", "correct it, or unset it", "%s",
			error.text[0] ? error.text : strerror(-r));
	else if (kev_check_name(check, &way) && !create_http(check))
		go_on = ask_server(check, &way, origin.secure);
	kev_check_way_fini(&way);
	kev_origin_fini(&origin);
	return go_on;
}
