#include "kevfs/cluster/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/num.h"

/* What servers take in a request line; no cluster's URL comes near. */
#define URL_MAX 8192

struct url {
	struct kev_str scheme;    /* empty where there is none */
	struct kev_str user_info; /* data NULL where there is none */
	struct kev_str host;      /* with its brackets */
	struct kev_str port;
	struct kev_str path;
	bool extra; /* a query or a fragment */
};

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_in(char c, const char *set)
{
	return c != '\0' && strchr(set, c);
}

static bool is_hex(char c)
{
	return is_alphanumeric(c) && (c | 0x20) <= 'f';
}

/* Letters, digits, what else is allowed, and %XX. */
static bool is_made_of(struct kev_str s, const char *allowed)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '%') {
			if (s.len - i < 3 || !is_hex(s.data[i + 1]) || !is_hex(s.data[i + 2]))
				return false;
			i += 2;
		} else if (!is_alphanumeric(s.data[i]) && !is_in(s.data[i], allowed)) {
			return false;
		}
	}
	return true;
}

static struct kev_str take(struct kev_str *rest, size_t len)
{
	struct kev_str taken = {rest->data, len};

	rest->data += len;
	rest->len -= len;
	return taken;
}

static size_t length_until(struct kev_str s, const char *set)
{
	size_t n = 0;

	while (n < s.len && !is_in(s.data[n], set))
		n++;
	return n;
}

static int fail(struct kev_error *error, struct kev_str text, const char *what)
{
	/* A URL with an '@' may hold a password, wherever it stands. */
	if (text.len && memchr(text.data, '@', text.len))
		kev_error_set(error, "%s", what);
	else
		kev_error_set(error, "\"%.*s\": %s", (int)text.len, text.data, what);
	return -EINVAL;
}

/* The authority's last part: "host", "host:port", "[::1]:port", "host:". */
static const char *split_host(struct kev_str rest, struct url *url)
{
	if (rest.len && rest.data[0] == '[') {
		size_t end = length_until(rest, "]");

		if (end == rest.len)
			return "its host lacks the closing ]";
		url->host = take(&rest, end + 1);
	} else {
		url->host = take(&rest, length_until(rest, ":"));
		if (rest.len && memchr(rest.data + 1, ':', rest.len - 1))
			return "an IPv6 address stands in brackets: [::1]";
	}
	if (rest.len && rest.data[0] != ':')
		return "its host is not valid";
	if (rest.len > 1)
		url->port = (struct kev_str){rest.data + 1, rest.len - 1};
	return NULL;
}

/* @return what is wrong, or NULL */
static const char *split(struct kev_str text, struct url *url)
{
	struct kev_str rest = text, authority;
	size_t n;

	*url = (struct url){.extra = false};
	if (text.len == 0)
		return "it is empty";
	if (text.len > URL_MAX)
		return "it is too long";
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return "it holds a space, a control character or one that is not ASCII";
	}
	n = length_until(rest, ":/?#");
	if (rest.len - n >= 3 && memcmp(rest.data + n, "://", 3) == 0) {
		url->scheme = take(&rest, n);
		take(&rest, 3);
		if (n == 0 || !is_made_of(url->scheme, "+-."))
			return "its scheme is not valid";
	}
	authority = take(&rest, length_until(rest, "/?#"));
	for (n = authority.len; n > 0 && authority.data[n - 1] != '@'; n--)
		;
	if (n > 0) {
		url->user_info = take(&authority, n);
		url->user_info.len--;
	}
	url->path = take(&rest, length_until(rest, "?#"));
	url->extra = rest.len > 0;
	return split_host(authority, url);
}

static bool is_ipv6(struct kev_str host)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	struct kev_str inner = {host.data + 1, host.len - 2}, zone;
	size_t n = length_until(inner, "%");

	/* A zone's '%' is itself percent-encoded (RFC 6874). */
	zone = (struct kev_str){inner.data + n, inner.len - n};
	if (zone.len && (!kev_str_starts(zone, KEV_STR("%25")) || zone.len == 3 || !is_made_of(zone, "-._~")))
		return false;
	if (n >= sizeof(address))
		return false;
	memcpy(address, inner.data, n);
	address[n] = '\0';
	return inet_pton(AF_INET6, address, &ignored) == 1;
}

/* @return what is wrong, or NULL */
static const char *check(const struct url *url)
{
	uint64_t port = 1;

	if (url->host.len == 0)
		return "it has no host";
	if (url->host.data[0] == '[') {
		if (!is_ipv6(url->host))
			return "its host is not an IPv6 address";
	} else {
		for (size_t i = 0; i < url->host.len; i++) {
			if (!is_alphanumeric(url->host.data[i]) && !is_in(url->host.data[i], "-._"))
				return "its host is not valid";
		}
	}
	if (url->port.len && (kev_num_parse_u64(url->port, UINT16_MAX, &port) || port == 0))
		return "its port is not a number from 1 to 65535";
	if (!is_made_of(url->path, "-._~!$&'()*+,;=:@/"))
		return "its path holds a character that cannot stand in a URL";
	return NULL;
}

static bool scheme_is(const struct url *url, const char *scheme)
{
	return url->scheme.len == strlen(scheme) &&
	       strncasecmp(url->scheme.data, scheme, url->scheme.len) == 0;
}

static void append_authority(struct kev_buf *buf, const struct url *url)
{
	if (url->user_info.data) {
		kev_buf_append_str(buf, url->user_info);
		kev_buf_append_char(buf, '@');
	}
	kev_buf_append_str(buf, url->host);
	if (url->port.len) {
		kev_buf_append_char(buf, ':');
		kev_buf_append_str(buf, url->port);
	}
}

void kev_url_append_path(struct kev_buf *buf, struct kev_str path)
{
	size_t root = buf->len;

	while (path.len) {
		struct kev_str segment = take(&path, length_until(path, "/"));

		if (path.len)
			take(&path, 1);
		if (segment.len == 0 || kev_str_eq(segment, KEV_STR(".")))
			continue;
		if (!kev_str_eq(segment, KEV_STR(".."))) {
			kev_buf_append_char(buf, '/');
			kev_buf_append_str(buf, segment);
			continue;
		}
		while (buf->len > root) {
			buf->len--;
			if (buf->data[buf->len] == '/')
				break;
		}
	}
}

/* Hand over what was built; on failure nothing is left of it, as it may hold a password. */
static int finish(struct kev_buf *buf, char **out)
{
	int r = buf->error;

	if (!r && !kev_buf_cstr(buf))
		r = -ENOMEM;
	if (r) {
		kev_buf_wipe(buf);
		return r;
	}
	*out = buf->data;
	return 0;
}

int kev_url_server(struct kev_str text, char **out, struct kev_error *error)
{
	struct kev_buf buf;
	struct url url;
	const char *wrong = split(text, &url);

	if (wrong)
		return fail(error, text, wrong);
	if (url.user_info.data)
		return fail(error, text, "a user or a password in it is not supported");
	if (url.scheme.len && !scheme_is(&url, "http") && !scheme_is(&url, "https"))
		return fail(error, text, "its scheme is neither http nor https");
	if (url.extra)
		return fail(error, text, "it has a query (?) or a fragment (#)");
	if (!url.scheme.len && url.path.len > 1)
		return fail(error, text, "with a path it needs a scheme: https://");
	wrong = check(&url);
	if (wrong)
		return fail(error, text, wrong);
	kev_buf_init(&buf, URL_MAX + 16);
	kev_buf_append_c(&buf, scheme_is(&url, "https") ? "https://" : "http://");
	append_authority(&buf, &url);
	kev_url_append_path(&buf, url.path);
	return finish(&buf, out);
}

int kev_url_proxy(struct kev_str text, char **out, struct kev_error *error)
{
	static const char *const schemes[] = {"http", "https", "socks5"};
	const char *scheme = NULL, *wrong;
	struct kev_buf buf;
	struct url url;

	wrong = split(text, &url);
	if (wrong)
		return fail(error, text, wrong);
	for (size_t i = 0; i < KEV_ARRAY_LEN(schemes) && !scheme; i++) {
		if (scheme_is(&url, schemes[i]))
			scheme = schemes[i];
	}
	if (!scheme)
		return fail(error, text, "its scheme is none of http, https and socks5");
	url.path.len = 0;
	wrong = check(&url);
	if (!wrong && !is_made_of(url.user_info, "-._~!$&'()*+,;=:"))
		wrong = "its user or password holds a character that must be percent-encoded";
	if (wrong)
		return fail(error, text, wrong);
	kev_buf_init(&buf, URL_MAX + 16);
	/* So that no reallocation leaves a password behind. */
	kev_buf_reserve(&buf, text.len + 16);
	kev_buf_append_c(&buf, scheme);
	kev_buf_append_c(&buf, "://");
	append_authority(&buf, &url);
	return finish(&buf, out);
}
