/*
 * A whole check, each of its allocations failing in turn, against a server on loopback and of a file: it
 * never crashes nor leaks, what it prints is lines, and what it does not know it does not call well.
 */
#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../cluster/server.h"
#include "../nomem.h"
#include "check.h"
#include "check_report.h"

#define EVENT                                                                                              \
	"{\"metadata\":{\"name\":\"web.18bd1e7a2b3c4d5e\",\"namespace\":\"shop\",\"uid\":\"u\","           \
	"\"resourceVersion\":\"7\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"shop\",\"name\":" \
	"\"web\"},\"reason\":\"BackOff\",\"type\":\"Warning\"}"

static void answer(struct connection *connection, int status, const char *body)
{
	connection_print(connection,
		"HTTP/1.1 %d Well\r\nContent-Type: application/json\r\n"
		"Date: Fri, 27 Nov 2026 17:00:00 GMT\r\nContent-Length: %zu\r\n\r\n%s",
		status, strlen(body), body);
}

/* An API server, as far as it is asked; it permits Events of a single namespace only. */
static void handle(struct connection *connection, const char *head, void *context)
{
	static const char namespaces[] =
		"{\"kind\":\"NamespaceList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":["
		"{\"metadata\":{\"name\":\"shop\"}},{\"metadata\":{\"name\":\"pay\"}}]}";

	(void)context;
	if (strstr(head, "watch=1"))
		answer(connection, 200, "");
	else if (strncmp(head, "GET /version ", 13) == 0)
		answer(connection, 200, "{\"gitVersion\":\"v1.36.3\"}");
	else if (strncmp(head, "GET /api/v1/namespaces?", 23) == 0)
		answer(connection, 200, namespaces);
	else if (strncmp(head, "GET /api/v1/namespaces/shop/events?", 35) == 0)
		answer(connection, 200,
			"{\"kind\":\"EventList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[" EVENT
			"]}");
	else if (strncmp(head, "POST ", 5) == 0)
		connection_close(connection);
	else
		answer(connection, 403, "{\"kind\":\"Status\",\"code\":403,\"message\":\"no\"}");
}

static void assert_lines(const char *text, size_t len)
{
	assert_true(len > 0 && text[len - 1] == '\n');
	while (*text) {
		assert_true(strncmp(text, "ok       ", 9) == 0 || strncmp(text, "warning  ", 9) == 0 ||
			    strncmp(text, "failed   ", 9) == 0);
		text = strchr(text, '\n') + 1;
	}
}

/* Check a source, with one allocation failing. @return whether it did */
static bool check_without(const char *source, size_t n, int well)
{
	static char text[1 << 16];
	char words[3][256] = {"check", "-s"}, *argv[] = {words[0], words[1], words[2], NULL};
	FILE *out = tmpfile();
	size_t len;
	bool hit;
	int code;

	assert_non_null(out);
	snprintf(words[2], sizeof(words[2]), "%s", source);
	/* The first line is written into a buffer that is there. */
	setvbuf(out, NULL, _IONBF, 0);
	nomem_fail_in(n);
	code = kev_check_main(3, argv, out);
	hit = nomem_end();
	rewind(out);
	len = fread(text, 1, sizeof(text) - 1, out);
	text[len] = '\0';
	fclose(out);
	if (len)
		assert_lines(text, len);
	else
		assert_int_equal(code, KEV_CHECK_INTERNAL);
	/* Where memory was missing, something may have been, too, or cannot be told. */
	if (code != well)
		assert_true(hit && code > KEV_CHECK_USAGE && code <= KEV_CHECK_INTERNAL);
	return hit;
}

/* How a check ends here that finds all well. */
static int find_well(void)
{
	return access("/dev/fuse", R_OK | W_OK) == 0 ? KEV_CHECK_FINE : KEV_CHECK_LOCAL;
}

static void test_server(void **state)
{
	const struct server_config config = {.handler = handle};
	bool hit = true;
	size_t n;

	(void)state;
	for (n = 1; hit; n++) {
		struct server *server = server_start(&config);
		char url[64];

		snprintf(url, sizeof(url), "http://127.0.0.1:%d", server_port(server));
		hit = check_without(url, n, find_well());
		server_stop(server);
	}
	assert_true(n > 100);
}

static void test_file(void **state)
{
	char path[] = "/tmp/kevfs-test-XXXXXX", source[64];
	int fd = mkstemp(path);
	size_t n = 1;

	(void)state;
	assert_true(fd >= 0);
	assert_true(write(fd, EVENT "\n", strlen(EVENT) + 1) > 0);
	close(fd);
	snprintf(source, sizeof(source), "file:%s", path);
	while (check_without(source, n, find_well()))
		n++;
	assert_true(n > 20);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_file),
	};

	unsetenv("HTTP_PROXY");
	unsetenv("http_proxy");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
