/*
 * Any bytes as a server's, or a proxy's, URL: what is accepted is in its one form, which is what it becomes
 * again, and can be taken apart into what a request needs.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kevfs/cluster/origin.h"
#include "kevfs/cluster/proxy.h"
#include "kevfs/cluster/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_characters(const char *url)
{
	for (; *url; url++)
		check((unsigned char)*url > ' ' && (unsigned char)*url != 0x7f, "a byte that ends a line");
}

static void check_origin(char *url)
{
	struct kev_cluster_config config = {.server = url};
	struct kev_origin origin;
	int r = kev_origin_init(&origin, &config);

	check(r == 0, "a server that cannot be addressed");
	check(origin.host[0] && origin.port[0] && !strchr(origin.host, '/'), "no host");
	check(!strchr(origin.label, '@'), "a password in a message");
	check(origin.secure == (strncmp(url, "https://", 8) == 0), "another scheme");
	(void)kev_proxy_is_bypassed("example.com,10.0.0.0/8,.svc,[::1]:443,*.x", origin.host, origin.port);
	kev_origin_fini(&origin);
}

static void check_server(struct kev_str text)
{
	struct kev_error error = {""};
	char *url = NULL, *again = NULL;
	int r = kev_url_server(text, &url, &error);

	check((r == 0) == (url != NULL) && (r == 0) == (error.text[0] == '\0'), "an error without a text");
	if (r)
		return;
	check(strncmp(url, "http", 4) == 0 && !strchr(url, '?') && !strchr(url, '#'), "another form");
	check_characters(url);
	check(kev_url_server(kev_str_c(url), &again, NULL) == 0 && strcmp(url, again) == 0,
		"it becomes something else");
	check_origin(url);
	free(url);
	free(again);
}

static void check_proxy(struct kev_str text)
{
	struct kev_error error = {""};
	char *url = NULL, *again = NULL;
	int r = kev_url_proxy(text, &url, &error);

	check((r == 0) == (url != NULL) && (r == 0) == (error.text[0] == '\0'), "an error without a text");
	if (r)
		return;
	check_characters(url);
	/* Only curl reads this form again: its socks5h is none that a kubeconfig has. */
	if (strncmp(url, "socks5h", 7) != 0)
		check(kev_url_proxy(kev_str_c(url), &again, NULL) == 0 && strcmp(url, again) == 0,
			"it becomes something else");
	free(url);
	free(again);
}

/* NO_PROXY, and what it is held against. */
static void check_bypass(struct kev_str text)
{
	char *copy = kev_str_dup(text), *host = copy ? strchr(copy, '\n') : NULL;

	check(copy != NULL, "no memory");
	if (host) {
		*host++ = '\0';
		(void)kev_proxy_is_bypassed(copy, host, "443");
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_str text = {(const char *)data, size};

	check_server(text);
	check_proxy(text);
	check_bypass(text);
	return 0;
}
