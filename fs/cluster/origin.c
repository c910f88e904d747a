#include "kevfs/cluster/origin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/str.h"

/* "https://[::1]:6443/prefix", taken apart. */
struct parts {
	bool secure;
	struct kev_str host;   /* with its brackets */
	struct kev_str port;   /* empty where there is none */
	struct kev_str prefix; /* empty, or from its '/' on */
};

static struct kev_str from(struct kev_str s, size_t start)
{
	return (struct kev_str){s.data + start, s.len - start};
}

static size_t length_until(struct kev_str s, char c)
{
	const char *at = s.len ? memchr(s.data, c, s.len) : NULL;

	return at ? (size_t)(at - s.data) : s.len;
}

static int split(struct kev_str server, struct parts *parts)
{
	struct kev_str rest, authority;
	size_t n = 0;

	parts->secure = kev_str_starts(server, KEV_STR("https://"));
	if (!parts->secure && !kev_str_starts(server, KEV_STR("http://")))
		return -EINVAL;
	rest = from(server, parts->secure ? sizeof("https://") - 1 : sizeof("http://") - 1);
	authority = (struct kev_str){rest.data, length_until(rest, '/')};
	parts->prefix = from(rest, authority.len);
	if (kev_str_starts(authority, KEV_STR("[")))
		n = length_until(authority, ']');
	n += length_until(from(authority, n), ':');
	parts->host = (struct kev_str){authority.data, n};
	parts->port = n < authority.len ? from(authority, n + 1) : KEV_STR("");
	return parts->host.len ? 0 : -EINVAL;
}

/* The host as a name or an address: no brackets, no zone (which only means something to this machine). */
static struct kev_str bare_host(const struct parts *parts)
{
	struct kev_str host = parts->host;

	if (host.data[0] == '[') {
		host = from(host, 1);
		host.len = length_until(host, ']');
		host.len = length_until(host, '%');
	}
	return host;
}

static char *lower_copy(struct kev_str s)
{
	char *copy = kev_str_dup(s);

	for (char *c = copy; c && *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + ('a' - 'A'));
	}
	return copy;
}

static char *print(const char *format, ...) KEV_PRINTF(1, 2);

static char *print(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return n < 0 ? NULL : text;
}

/* "[::1]:6443" or "host", as it stands in a Host header. */
static char *print_authority(const struct kev_origin *origin, const struct parts *parts)
{
	bool ipv6 = strchr(origin->host, ':') != NULL;

	return print("%s%s%s%s%.*s", ipv6 ? "[" : "", origin->host, ipv6 ? "]" : "",
		parts->port.len ? ":" : "", (int)parts->port.len, parts->port.len ? parts->port.data : "");
}

/* @return whether there was the memory */
static bool rename_host(
	struct kev_origin *origin, const struct parts *parts, const char *authority, const char *name)
{
	bool ipv6 = strchr(name, ':') != NULL;
	const char *open = ipv6 ? "[" : "", *close = ipv6 ? "]" : "";

	origin->host_header = print("Host: %s", authority);
	origin->connect_to = print("%s%s%s:%s:%.*s:%s", open, name, close, origin->port, (int)parts->host.len,
		parts->host.data, origin->port);
	origin->url = print("https://%s%s%s:%s%.*s", open, name, close, origin->port, (int)parts->prefix.len,
		parts->prefix.data);
	return origin->host_header && origin->connect_to && origin->url;
}

static bool fill(
	struct kev_origin *origin, const struct parts *parts, const struct kev_cluster_config *config)
{
	const char *name = config->tls_server_name;
	char *authority;
	bool done;

	origin->secure = parts->secure;
	origin->host = lower_copy(bare_host(parts));
	origin->port = parts->port.len ? lower_copy(parts->port) : strdup(parts->secure ? "443" : "80");
	if (!origin->host || !origin->port)
		return false;
	authority = print_authority(origin, parts);
	if (!authority)
		return false;
	origin->label = print("%s://%s", parts->secure ? "https" : "http", authority);
	if (parts->secure && name && strcmp(name, origin->host) != 0) {
		done = rename_host(origin, parts, authority, name);
	} else {
		origin->url = strdup(config->server);
		done = origin->url != NULL;
	}
	free(authority);
	return done && origin->label;
}

int kev_origin_init(struct kev_origin *out, const struct kev_cluster_config *config)
{
	struct kev_origin origin = {.secure = false};
	struct parts parts;
	int r = split(kev_str_c(config->server), &parts);

	if (r)
		return r;
	if (!fill(&origin, &parts, config)) {
		kev_origin_fini(&origin);
		return -ENOMEM;
	}
	*out = origin;
	return 0;
}

void kev_origin_fini(struct kev_origin *origin)
{
	free(origin->label);
	free(origin->host);
	free(origin->port);
	free(origin->url);
	free(origin->host_header);
	free(origin->connect_to);
	*origin = (struct kev_origin){.secure = false};
}
