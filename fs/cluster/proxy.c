#include "kevfs/cluster/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/num.h"
#include "kevfs/base/str.h"
#include "kevfs/cluster/url.h"

/* More than any URL and any name that can match. */
#define TEXT_MAX 16384

/* An address; IPv4 as the IPv6 that stands for it, so that both compare. */
struct address {
	uint8_t bytes[16];
	bool ipv4;
};

static const char *first_set(const char *upper, const char *lower)
{
	const char *value = getenv(upper);

	if (!value || !*value)
		value = getenv(lower);
	return value && *value ? value : NULL;
}

void kev_proxy_environment_read(struct kev_proxy_environment *environment)
{
	*environment = (struct kev_proxy_environment){
		.http_proxy = first_set("HTTP_PROXY", "http_proxy"),
		.https_proxy = first_set("HTTPS_PROXY", "https_proxy"),
		.no_proxy = first_set("NO_PROXY", "no_proxy"),
	};
}

static bool parse_address(struct kev_str text, struct address *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char copy[INET6_ADDRSTRLEN];

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	out->ipv4 = inet_pton(AF_INET, copy, out->bytes + sizeof(mapped)) == 1;
	if (!out->ipv4)
		return inet_pton(AF_INET6, copy, out->bytes) == 1;
	memcpy(out->bytes, mapped, sizeof(mapped));
	return true;
}

static bool is_loopback(const struct address *address)
{
	static const uint8_t v6[16] = {[15] = 1};

	return address->ipv4 ? address->bytes[12] == 127 : memcmp(address->bytes, v6, sizeof(v6)) == 0;
}

static bool same_bits(const struct address *a, const struct address *b, size_t bits)
{
	size_t whole = bits / 8, rest = bits % 8;

	if (memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

/* "10.0.0.0/8". @return false where it is no network at all */
static bool parse_network(struct kev_str text, struct address *network, size_t *bits)
{
	const char *slash = memchr(text.data, '/', text.len);
	struct kev_str size;
	uint64_t value;

	if (!slash || !parse_address((struct kev_str){text.data, (size_t)(slash - text.data)}, network))
		return false;
	size = (struct kev_str){slash + 1, text.len - (size_t)(slash + 1 - text.data)};
	if (kev_num_parse_u64(size, network->ipv4 ? 32 : 128, &value))
		return false;
	*bits = (size_t)value + (network->ipv4 ? 96 : 0);
	return true;
}

/* Take ":port" off, where there is exactly one, or brackets before it. */
static struct kev_str split_port(struct kev_str *entry)
{
	const char *colon = entry->data ? memrchr(entry->data, ':', entry->len) : NULL;
	const char *bracket = entry->data ? memrchr(entry->data, ']', entry->len) : NULL;
	struct kev_str port = KEV_STR("");

	if (colon && ((bracket && colon == bracket + 1) ||
			     (!bracket && memchr(entry->data, ':', entry->len) == colon))) {
		port = (struct kev_str){colon + 1, entry->len - (size_t)(colon + 1 - entry->data)};
		entry->len = (size_t)(colon - entry->data);
	}
	if (entry->len >= 2 && entry->data[0] == '[' && entry->data[entry->len - 1] == ']')
		*entry = (struct kev_str){entry->data + 1, entry->len - 2};
	return port;
}

/* "example.com" means itself and what is below it, ".example.com" and "*.example.com" only that. */
static bool matches_domain(struct kev_str entry, struct kev_str host)
{
	bool itself = true;
	size_t start;

	if (kev_str_starts(entry, KEV_STR("*.")))
		entry = (struct kev_str){entry.data + 1, entry.len - 1};
	if (kev_str_starts(entry, KEV_STR("."))) {
		entry = (struct kev_str){entry.data + 1, entry.len - 1};
		itself = false;
	}
	if (entry.len == 0 || entry.len > host.len)
		return false;
	start = host.len - entry.len;
	if (strncasecmp(host.data + start, entry.data, entry.len) != 0)
		return false;
	return start == 0 ? itself : host.data[start - 1] == '.';
}

static bool matches(
	struct kev_str entry, struct kev_str host, const struct address *address, struct kev_str port)
{
	struct address other;
	struct kev_str its_port;
	size_t bits;

	if (kev_str_eq(entry, KEV_STR("*")))
		return true;
	if (parse_network(entry, &other, &bits))
		return address && same_bits(address, &other, bits);
	its_port = split_port(&entry);
	if (its_port.len && !kev_str_eq(its_port, port))
		return false;
	if (parse_address(entry, &other))
		return address && same_bits(address, &other, 128);
	return matches_domain(entry, host);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool kev_proxy_is_bypassed(const char *no_proxy, const char *host, const char *port)
{
	struct kev_str rest = kev_str_c(no_proxy), name = kev_str_c(host);
	struct address address;
	bool numeric = parse_address(name, &address);

	if (kev_str_eq(name, KEV_STR("localhost")) || (numeric && is_loopback(&address)))
		return true;
	while (rest.len) {
		const char *comma = memchr(rest.data, ',', rest.len);
		struct kev_str entry = {rest.data, comma ? (size_t)(comma - rest.data) : rest.len};
		size_t taken = entry.len + (comma ? 1 : 0);

		while (entry.len && is_blank(entry.data[0]))
			entry = (struct kev_str){entry.data + 1, entry.len - 1};
		while (entry.len && is_blank(entry.data[entry.len - 1]))
			entry.len--;
		if (entry.len && matches(entry, name, numeric ? &address : NULL, kev_str_c(port)))
			return true;
		rest = (struct kev_str){rest.data + taken, rest.len - taken};
	}
	return false;
}

/* curl's socks5 resolves names here; kubectl lets the proxy do it, which curl calls socks5h. */
static int for_curl(char *url /* taken */, char **out)
{
	static const char scheme[] = "socks5://";
	struct kev_buf text;
	int r = 0;

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0) {
		*out = url;
		return 0;
	}
	kev_buf_init(&text, TEXT_MAX);
	kev_buf_reserve(&text, strlen(url) + 2);
	kev_buf_append_c(&text, "socks5h://");
	kev_buf_append_c(&text, url + sizeof(scheme) - 1);
	if (text.error || !kev_buf_cstr(&text)) {
		r = -ENOMEM;
		kev_buf_wipe(&text);
	} else {
		*out = text.data;
	}
	explicit_bzero(url, strlen(url));
	free(url);
	return r;
}

/* As the environment has it: without a scheme it is http, and Go knows curl's socks5h too. */
static int normalise(const char *value, char **out, struct kev_error *error)
{
	struct kev_buf text;
	int r;

	kev_buf_init(&text, TEXT_MAX);
	kev_buf_reserve(&text, strlen(value) + sizeof("http://"));
	if (strncasecmp(value, "socks5h://", sizeof("socks5h://") - 1) == 0) {
		kev_buf_append_c(&text, "socks5://");
		value += sizeof("socks5h://") - 1;
	} else if (!strstr(value, "://")) {
		kev_buf_append_c(&text, "http://");
	}
	kev_buf_append_c(&text, value);
	if (text.error)
		r = text.error == -ENOMEM ? -ENOMEM : -EINVAL;
	else
		r = kev_url_proxy(kev_buf_str(&text), out, error);
	if (text.error == -EMSGSIZE)
		kev_error_set(error, "it is too long");
	kev_buf_wipe(&text);
	return r;
}

int kev_proxy_choose(const struct kev_cluster_config *config, const struct kev_origin *origin,
	const struct kev_proxy_environment *environment, char **out, struct kev_error *error)
{
	const char *value = origin->secure ? environment->https_proxy : environment->http_proxy;
	char *url = NULL;
	int r;

	if (config->proxy_url) {
		url = strdup(config->proxy_url);
		return url ? for_curl(url, out) : -ENOMEM;
	}
	if (!value || kev_proxy_is_bypassed(environment->no_proxy, origin->host, origin->port)) {
		*out = NULL;
		return 0;
	}
	r = normalise(value, &url, error);
	if (r == 0)
		return for_curl(url, out);
	kev_error_prefix(error, "the environment's %s", origin->secure ? "HTTPS_PROXY" : "HTTP_PROXY");
	return r;
}

char *kev_proxy_label(const char *url)
{
	const char *colon = strstr(url, "://"), *at;
	size_t scheme = colon ? (size_t)(colon - url) + 3 : 0;
	char *label;

	at = strrchr(url + scheme, '@');
	return asprintf(&label, "%.*s%s", (int)scheme, url, at ? at + 1 : url + scheme) < 0 ? NULL : label;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

const char *kev_proxy_said_by(const struct kev_cluster_config *config, const struct kev_origin *origin)
{
	if (config->proxy_url)
		return "proxy-url";
	if (origin->secure)
		return is_set("HTTPS_PROXY") ? "HTTPS_PROXY" : "https_proxy";
	return is_set("HTTP_PROXY") ? "HTTP_PROXY" : "http_proxy";
}
