#include "notation.h"

#include <errno.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/impersonation.h"

/* What kubeconfig/impersonation-… do not show: the bounds. */

static int headers_of(const char *notation, char ***out, struct kev_error *error)
{
	struct kev_document *document = document_of(notation, NULL);
	struct kev_stanza_user user = {.exec = NULL};
	struct kev_stanza_file file;
	int r;

	assert_non_null(document);
	assert_int_equal(kev_stanza_file_read("PATH", "/d", document, &file, NULL), 0);
	assert_int_equal(kev_stanza_read_user(&file, &file.users.items[0], &user, NULL), 0);
	r = kev_impersonation_headers(&file, &user, out, error);
	kev_stanza_file_fini(&file);
	kev_document_destroy(document);
	return r;
}

static void test_headers_of_nobody(void **state)
{
	static const char *const notations[] = {"{ users [ { name u user { } } ] }",
		"{ users [ { user { as ~ as-uid ~ as-groups [ ] as-user-extra { } } } ] }"};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(notations); i++) {
		char *some = NULL, **headers = &some;

		assert_int_equal(headers_of(notations[i], &headers, NULL), 0);
		assert_null(headers);
	}
	kev_impersonation_free(NULL);
}

static void test_headers_in_order(void **state)
{
	static const char *const expected[] = {"Impersonate-User: bob", "Impersonate-Uid: 0-0",
		"Impersonate-Group: dev", "Impersonate-Group: ", "Impersonate-Extra-a: 1-",
		"Impersonate-Extra-a: 2-", "Impersonate-Extra-%2fb: 3-"};
	char **headers = NULL;

	(void)state;
	assert_int_equal(
		headers_of("{ users [ { user { as bob as-uid 0-0 as-groups [ dev ~ ] as-user-extra { A [ 1- "
			   "2- ] none ~ /B [ 3- ] } } } ] }",
			&headers, NULL),
		0);
	for (size_t i = 0; i < KEV_ARRAY_LEN(expected); i++)
		assert_string_equal(headers[i], expected[i]);
	assert_null(headers[KEV_ARRAY_LEN(expected)]);
	kev_impersonation_free(headers);
}

static void test_headers_too_many(void **state)
{
	static const struct {
		const char *begin, *item, *end;
		int most;
	} cases[] = {
		{"{ users [ { user { as a as-groups [ ", "g ", "] } } ] }", 1023},
		{"{ users [ { user { as a as-user-extra { k [ ", "v ", "] } } } ] }", 1023},
		{"{ users [ { user { as a as-user-extra { ", NULL, "} } } ] }", 1024},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		for (int more = 0; more < 2; more++) {
			char *some = NULL, **headers = &some;
			struct kev_error error = {""};
			struct kev_buf text;
			int r;

			kev_buf_init(&text, 65536);
			kev_buf_append_c(&text, cases[i].begin);
			for (int n = 0; n < cases[i].most + more; n++) {
				if (cases[i].item)
					kev_buf_append_c(&text, cases[i].item);
				else
					kev_buf_printf(&text, "k%d ~ ", n);
			}
			kev_buf_append_c(&text, cases[i].end);
			r = headers_of(kev_buf_cstr(&text), &headers, &error);
			kev_buf_fini(&text);
			assert_int_equal(r, more ? -EINVAL : 0);
			if (more) {
				assert_ptr_equal(headers, &some);
				assert_non_null(strstr(error.text, "more than 1024 groups"));
			} else {
				kev_impersonation_free(headers);
			}
		}
	}
}

static void test_headers_too_long(void **state)
{
	char **headers = NULL;
	struct kev_error error = {""};
	struct kev_buf text;

	(void)state;
	kev_buf_init(&text, 100000);
	kev_buf_append_c(&text, "{ users [ { user { as ");
	kev_buf_append_fill(&text, 'a', 65536);
	kev_buf_append_c(&text, " } } ] }");
	assert_int_equal(headers_of(kev_buf_cstr(&text), &headers, &error), -EINVAL);
	assert_string_equal(error.text, "as is too long");
	assert_null(headers);
	kev_buf_fini(&text);
}

static void test_is_refused(void **state)
{
	static char as[] = "Impersonate-User: shop\x1bper", uid[] = "Impersonate-Uid: 7";
	static char *const headers[] = {as, uid, NULL};
	struct kev_error error = {"untouched"};

	(void)state;
	assert_false(kev_impersonation_is_refused(
		NULL, KEV_STR("User \"viewer\" cannot impersonate resource \"users\""), &error));
	assert_false(kev_impersonation_is_refused(
		headers, KEV_STR("User \"shopper\" cannot list resource \"events\""), &error));
	assert_false(kev_impersonation_is_refused(headers, KEV_STR(""), &error));
	assert_string_equal(error.text, "untouched");
	assert_true(kev_impersonation_is_refused(headers,
		KEV_STR("users \"shopper\" is forbidden: User \"viewer\" cannot impersonate resource "
			"\"users\""),
		&error));
	assert_string_equal(error.text,
		"the kubeconfig's as: shop\\x1bper: we may not act as that user: User \"viewer\" cannot "
		"impersonate resource \"users\"");
	assert_true(kev_impersonation_is_refused(
		headers, KEV_STR(" cannot impersonate-on:user-info:list resource \"events\""), NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers_of_nobody),
		cmocka_unit_test(test_headers_in_order),
		cmocka_unit_test(test_headers_too_many),
		cmocka_unit_test(test_headers_too_long),
		cmocka_unit_test(test_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
