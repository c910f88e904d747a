#include "../test.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/cluster/url.h"

static void test_server_valid(void **state)
{
	static const struct {
		const char *text, *url;
	} cases[] = {
		{"https://h", "https://h"},
		{"https://h/", "https://h"},
		{"https://h:6443", "https://h:6443"},
		{"https://h:", "https://h"},
		{"https://h:1", "https://h:1"},
		{"https://h:65535", "https://h:65535"},
		{"HTTPS://Host.Example", "https://Host.Example"},
		{"http://127.0.0.1:8001", "http://127.0.0.1:8001"},
		{"https://[::1]", "https://[::1]"},
		{"https://[fe80::1%25eth0]:6443/", "https://[fe80::1%25eth0]:6443"},
		{"https://h/a", "https://h/a"},
		{"https://h//a///b/", "https://h/a/b"},
		{"https://h/a/./b/../../../c", "https://h/c"},
		{"https://h/..", "https://h"},
		{"https://h/a%2Fb:c@d", "https://h/a%2Fb:c@d"},
		{"h", "http://h"},
		{"h:6443/", "http://h:6443"},
		{"https:6443", "http://https:6443"},
		{"[::1]:6443", "http://[::1]:6443"},
		{"a_b-c.d", "http://a_b-c.d"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		char *url = NULL;
		struct kev_error error = {""};

		assert_int_equal(kev_url_server(kev_str_c(cases[i].text), &url, &error), 0);
		assert_string_equal(url, cases[i].url);
		free(url);
	}
}

static void test_server_invalid(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"", "\"\": it is empty"},
		{"ftp://h", "\"ftp://h\": its scheme is neither http nor https"},
		{"httpss://h", "\"httpss://h\": its scheme is neither http nor https"},
		{"://h", "\"://h\": its scheme is not valid"},
		{"h_t://h", "\"h_t://h\": its scheme is not valid"},
		{"https://", "\"https://\": it has no host"},
		{"https:///a", "\"https:///a\": it has no host"},
		{"https://:6443", "\"https://:6443\": it has no host"},
		{"https://h:0", "\"https://h:0\": its port is not a number from 1 to 65535"},
		{"https://h:65536", "\"https://h:65536\": its port is not a number from 1 to 65535"},
		{"https://h:6a", "\"https://h:6a\": its port is not a number from 1 to 65535"},
		{"https://h:-1", "\"https://h:-1\": its port is not a number from 1 to 65535"},
		{"https:6443x", "\"https:6443x\": its port is not a number from 1 to 65535"},
		{"https://::1", "\"https://::1\": an IPv6 address stands in brackets: [::1]"},
		{"https://[::1", "\"https://[::1\": its host lacks the closing ]"},
		{"https://[::1]x", "\"https://[::1]x\": its host is not valid"},
		{"https://[]", "\"https://[]\": its host is not an IPv6 address"},
		{"https://[::g]", "\"https://[::g]\": its host is not an IPv6 address"},
		{"https://[fe80::1%eth0]", "\"https://[fe80::1%eth0]\": its host is not an IPv6 address"},
		{"https://[fe80::1%25]", "\"https://[fe80::1%25]\": its host is not an IPv6 address"},
		{"https://[1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7]",
			"\"https://[1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7]\": its host is not an "
			"IPv6 address"},
		{"https://h!", "\"https://h!\": its host is not valid"},
		{"https://h%41", "\"https://h%41\": its host is not valid"},
		{"https://a b",
			"\"https://a b\": it holds a space, a control character or one that is not ASCII"},
		{"https://h\n",
			"\"https://h\\x0a\": it holds a space, a control character or one that is not ASCII"},
		{"https://h\xc3\xa9", "\"https://h\xc3\xa9\": it holds a space, a control character or one "
				      "that is not ASCII"},
		{"https://h?a=b", "\"https://h?a=b\": it has a query (?) or a fragment (#)"},
		{"https://h/#f", "\"https://h/#f\": it has a query (?) or a fragment (#)"},
		{"https://h/a%2", "\"https://h/a%2\": its path holds a character that cannot stand in a URL"},
		{"https://h/a%2g",
			"\"https://h/a%2g\": its path holds a character that cannot stand in a URL"},
		{"https://h/{}", "\"https://h/{}\": its path holds a character that cannot stand in a URL"},
		{"https://h\\a", "\"https://h\\a\": its host is not valid"},
		{"h/a", "\"h/a\": with a path it needs a scheme: https://"},
		/* Wherever an '@' stands, the text may hold a password. */
		{"https://u:hunter2@h", "a user or a password in it is not supported"},
		{"https://hunter2@h", "a user or a password in it is not supported"},
		{"https://@h", "a user or a password in it is not supported"},
		{"u:hunter2@h", "a user or a password in it is not supported"},
		{"ftp://u:hunter2@h", "a user or a password in it is not supported"},
		{"https://h?x=u:hunter2@h", "it has a query (?) or a fragment (#)"},
		{"https://u:hunter2 @h", "it holds a space, a control character or one that is not ASCII"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_error error = {""};
		char *const untouched = error.text, *url = untouched;

		assert_int_equal(kev_url_server(kev_str_c(cases[i].text), &url, &error), -EINVAL);
		assert_string_equal(error.text, cases[i].error);
		assert_ptr_equal(url, untouched);
	}
}

static void test_server_length(void **state)
{
	char *text = malloc(9001), *url = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 9001);
	assert_int_equal(kev_url_server((struct kev_str){text, 9001}, &url, NULL), -EINVAL);
	assert_null(url);
	assert_int_equal(kev_url_server((struct kev_str){text, 8192}, &url, NULL), 0);
	assert_int_equal(strlen(url), 8192 + strlen("http://"));
	free(url);
	free(text);
}

/* A NUL must not hide what stands behind it. */
static void test_server_nul(void **state)
{
	char *url = NULL;

	(void)state;
	assert_int_equal(kev_url_server(KEV_STR("https://h\0.evil"), &url, NULL), -EINVAL);
	assert_null(url);
}

static void test_proxy_valid(void **state)
{
	static const struct {
		const char *text, *url;
	} cases[] = {
		{"http://proxy:3128", "http://proxy:3128"},
		{"HTTPS://proxy/", "https://proxy"},
		{"socks5://[::1]:1080", "socks5://[::1]:1080"},
		{"http://u:p%40@proxy:1/path?query#fragment", "http://u:p%40@proxy:1"},
		{"http://u@proxy", "http://u@proxy"},
		{"http://@proxy", "http://@proxy"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		char *url = NULL;

		assert_int_equal(kev_url_proxy(kev_str_c(cases[i].text), &url, NULL), 0);
		assert_string_equal(url, cases[i].url);
		free(url);
	}
}

static void test_proxy_invalid(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"", "\"\": it is empty"},
		{"proxy:3128", "\"proxy:3128\": its scheme is none of http, https and socks5"},
		{"http:", "\"http:\": its scheme is none of http, https and socks5"},
		{"socks5h://proxy", "\"socks5h://proxy\": its scheme is none of http, https and socks5"},
		{"socks4://u:hunter2@proxy", "its scheme is none of http, https and socks5"},
		{"http://", "\"http://\": it has no host"},
		{"http://u:hunter2@", "it has no host"},
		{"http://u:hunter2@proxy:x", "its port is not a number from 1 to 65535"},
		{"http://u:hunt@er2@proxy",
			"its user or password holds a character that must be percent-encoded"},
		{"http://u:hunter2%@proxy",
			"its user or password holds a character that must be percent-encoded"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		char *url = NULL;
		struct kev_error error = {""};

		assert_int_equal(kev_url_proxy(kev_str_c(cases[i].text), &url, &error), -EINVAL);
		assert_string_equal(error.text, cases[i].error);
		assert_null(url);
	}
}

static void test_append_path(void **state)
{
	static const struct {
		const char *path, *result;
	} cases[] = {
		{"", "x"},
		{"/", "x"},
		{"a", "x/a"},
		{"/a/b/", "x/a/b"},
		{"a/..", "x"},
		{"../../a", "x/a"},
		{"a/../../b", "x/b"},
		{"a/.../..b/.", "x/a/.../..b"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		struct kev_buf buf;

		kev_buf_init(&buf, 100);
		kev_buf_append_char(&buf, 'x');
		kev_url_append_path(&buf, kev_str_c(cases[i].path));
		assert_string_equal(kev_buf_cstr(&buf), cases[i].result);
		kev_buf_fini(&buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_valid),
		cmocka_unit_test(test_server_invalid),
		cmocka_unit_test(test_server_length),
		cmocka_unit_test(test_server_nul),
		cmocka_unit_test(test_proxy_valid),
		cmocka_unit_test(test_proxy_invalid),
		cmocka_unit_test(test_append_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
