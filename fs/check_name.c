#include "check_name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/proxy.h"

/* So many addresses are told; a name may have hundreds. */
#define ADDRESSES_MAX 8

#define TEXT_MAX 1024

/* What is looked up, by a thread that may hang in it. */
struct lookup {
	char *host;
	struct addrinfo *found;
	int code;  /* of getaddrinfo() */
	int error; /* errno, of EAI_SYSTEM */
};

static int take_proxy(struct kev_check_way *way, const char *url)
{
	const char *colon, *host, *end;

	way->proxy = kev_proxy_label(url);
	if (!way->proxy)
		return -ENOMEM;
	colon = strstr(way->proxy, "://");
	host = colon ? colon + 3 : way->proxy;
	end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":/");
	if (!end)
		end = host + strlen(host);
	way->tls_proxy = strncmp(url, "https:", 6) == 0;
	if (*host == '[')
		host++;
	way->host = strndup(host, (size_t)(end - host));
	return way->host ? 0 : -ENOMEM;
}

int kev_check_way_init(struct kev_check_way *way, const struct kev_cluster_config *config,
	const struct kev_origin *origin, struct kev_error *error)
{
	struct kev_proxy_environment environment;
	char *url = NULL;
	int r;

	*way = (struct kev_check_way){.said_by = kev_proxy_said_by(config, origin)};
	kev_proxy_environment_read(&environment);
	r = kev_proxy_choose(config, origin, &environment, &url, error);
	if (!r && url)
		r = take_proxy(way, url);
	else if (!r)
		r = (way->host = strdup(origin->host)) ? 0 : -ENOMEM;
	if (url)
		explicit_bzero(url, strlen(url));
	free(url);
	return r;
}

void kev_check_way_fini(struct kev_check_way *way)
{
	free(way->proxy);
	free(way->host);
}

static int look_up(void *context)
{
	struct lookup *lookup = context;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

	lookup->code = getaddrinfo(lookup->host, NULL, &hints, &lookup->found);
	lookup->error = errno;
	return 0;
}

static void free_lookup(struct lookup *lookup)
{
	if (!lookup)
		return;
	if (lookup->found)
		freeaddrinfo(lookup->found);
	free(lookup->host);
	free(lookup);
}

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static void append_addresses(struct kev_buf *out, const struct addrinfo *found)
{
	unsigned count = 0;

	for (; found; found = found->ai_next) {
		char text[NI_MAXHOST];

		if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0,
			    NI_NUMERICHOST) != 0)
			continue;
		if (count++ < ADDRESSES_MAX)
			kev_buf_printf(out, "%s%s", out->len ? ", " : "", text);
	}
	if (count > ADDRESSES_MAX)
		kev_buf_printf(out, " and %u more", count - ADDRESSES_MAX);
}

static bool report_lookup(
	struct kev_check *check, const struct kev_check_way *way, const struct lookup *lookup, int64_t took)
{
	KEV_CLEANUP(buf_fini) struct kev_buf addresses;
	char span[KEV_CHECK_TIME_SIZE];

	kev_buf_init(&addresses, TEXT_MAX);
	if (lookup->code) {
		kev_check_fail(&check->report, KEV_CHECK_NAME, "name",
			lookup->code == EAI_AGAIN ? "do the name servers in /etc/resolv.conf answer?"
			: way->proxy              ? "is the proxy's name right?"
						  : "is the server's name right, and known here (VPN)?",
			"%s%s: %s", way->proxy ? "the proxy " : "", way->host,
			lookup->code == EAI_SYSTEM ? strerror(lookup->error) : gai_strerror(lookup->code));
		return false;
	}
	append_addresses(&addresses, lookup->found);
	kev_check_ok(&check->report, "name", "%s%s is %.*s (%s)", way->proxy ? "the proxy " : "", way->host,
		(int)addresses.len, addresses.len ? addresses.data : "", kev_check_span(took, span));
	return true;
}

bool kev_check_name(struct kev_check *check, const struct kev_check_way *way)
{
	struct lookup *lookup;
	int64_t begun = kev_clock_monotonic(check->clock);
	bool found;
	int r;

	if (is_address(way->host)) {
		kev_check_ok(&check->report, "name", "%s%s is an address", way->proxy ? "the proxy " : "",
			way->host);
		return true;
	}
	lookup = calloc(1, sizeof(*lookup));
	if (lookup)
		lookup->host = strdup(way->host);
	r = lookup && lookup->host ? kev_check_bounded(check, KEV_CHECK_STEP, look_up, lookup) : -ENOMEM;
	if (r) {
		kev_check_fail(&check->report, KEV_CHECK_NAME, "name",
			"do the name servers in /etc/resolv.conf answer?", "%s%s: %s",
			way->proxy ? "the proxy " : "", way->host, strerror(-r));
		if (r != -ETIMEDOUT)
			free_lookup(lookup);
		return false;
	}
	found = report_lookup(check, way, lookup, kev_clock_monotonic(check->clock) - begun);
	free_lookup(lookup);
	return found;
}
