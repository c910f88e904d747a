#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/store/kinds.h"

static struct kev_kinds *create(void)
{
	struct kev_kinds *kinds = kev_kinds_create();

	assert_non_null(kinds);
	return kinds;
}

static void add(struct kev_kinds *kinds, const char *group, const char *kind, const char *plural)
{
	assert_int_equal(kev_kinds_add(kinds, kev_str_c(group), kev_str_c(kind), kev_str_c(plural)), 0);
}

/* @param expected  "group/plural", or NULL where it is not to be found */
static void check(
	const struct kev_kinds *kinds, const char *api_version, const char *kind, const char *expected)
{
	struct kev_str group = KEV_STR("untouched"), plural = KEV_STR("too");
	bool found = kev_kinds_find(kinds, kev_str_c(api_version), kev_str_c(kind), &group, &plural);
	char text[512];

	assert_int_equal(found, expected != NULL);
	snprintf(text, sizeof(text), "%.*s/%.*s", (int)group.len, group.data, (int)plural.len, plural.data);
	assert_string_equal(text, expected ? expected : "untouched/too");
}

static void test_group_of(void **state)
{
	static const char *const cases[][2] = {
		{"", ""}, {"v1", ""}, {"apps/v1", "apps"}, {"a/b/v1", "a/b"}, {"/v1", ""}, {"apps/", "apps"}};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++)
		assert_str_equal(kev_kinds_group_of(kev_str_c(cases[i][0])), kev_str_c(cases[i][1]));
}

static void test_find_matches_exactly(void **state)
{
	struct kev_kinds *kinds = create();

	(void)state;
	add(kinds, "", "Pod", "pods");
	add(kinds, "example.com", "Widget", "widgets");
	add(kinds, "example.com", "Pod", "otherpods");
	check(kinds, "v1", "Pod", "/pods");
	check(kinds, "v2", "Pod", "/pods");
	check(kinds, "example.com/v1", "Widget", "example.com/widgets");
	check(kinds, "example.com/v9alpha1", "Pod", "example.com/otherpods");
	check(kinds, "v1", "pod", NULL);
	check(kinds, "v1", "pods", NULL);
	check(kinds, "v1", "Widget", NULL);
	check(kinds, "Example.com/v1", "Widget", NULL);
	check(kinds, "example.com./v1", "Widget", NULL);
	check(kinds, "v1", "", NULL);
	assert_int_equal(kev_kinds_count(kinds), 3);
	kev_kinds_unref(kinds);
}

static void test_find_without_api_version(void **state)
{
	struct kev_kinds *kinds = create();

	(void)state;
	/* Core, whatever else there is. */
	add(kinds, "example.com", "Pod", "otherpods");
	add(kinds, "", "Pod", "pods");
	check(kinds, "", "Pod", "/pods");
	/* A group that kube-apiserver ships, before and behind foreign ones. */
	add(kinds, "a.example.com", "Deployment", "deployments");
	add(kinds, "apps", "Deployment", "deployments");
	add(kinds, "b.example.com", "Deployment", "deployments");
	add(kinds, "c.example.com", "Deployment", "deployments");
	check(kinds, "", "Deployment", "apps/deployments");
	/* A match that is unique, then not. */
	add(kinds, "a.example.com", "Widget", "widgets");
	check(kinds, "", "Widget", "a.example.com/widgets");
	add(kinds, "b.example.com", "Widget", "widgets");
	check(kinds, "", "Widget", NULL);
	add(kinds, "c.example.com", "Widget", "widgets");
	check(kinds, "", "Widget", NULL);
	check(kinds, "", "Gadget", NULL);
	check(kinds, "", "", NULL);
	kev_kinds_unref(kinds);
}

static void test_add_keeps_the_first(void **state)
{
	struct kev_kinds *kinds = create();

	(void)state;
	add(kinds, "example.com", "Widget", "widgets");
	add(kinds, "example.com", "Widget", "gizmos");
	check(kinds, "example.com/v1", "Widget", "example.com/widgets");
	check(kinds, "", "Widget", "example.com/widgets");
	assert_int_equal(kev_kinds_count(kinds), 1);
	kev_kinds_unref(kinds);
}

static void test_add_refuses(void **state)
{
	static const char *const plurals[] = {"", "-a", "a-", "Pods", "a/b", "a.b", "..", "a b", "a\n", "a%",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	struct kev_kinds *kinds = create();
	char huge[254];

	(void)state;
	memset(huge, 'x', sizeof(huge));
	for (size_t i = 0; i < KEV_ARRAY_LEN(plurals); i++)
		assert_int_equal(
			kev_kinds_add(kinds, KEV_STR("g"), KEV_STR("K"), kev_str_c(plurals[i])), -EINVAL);
	assert_int_equal(kev_kinds_add(kinds, KEV_STR("g"), KEV_STR(""), KEV_STR("ks")), -EINVAL);
	assert_int_equal(
		kev_kinds_add(kinds, KEV_STR("g"), (struct kev_str){huge, sizeof(huge)}, KEV_STR("ks")),
		-EINVAL);
	assert_int_equal(
		kev_kinds_add(kinds, (struct kev_str){huge, sizeof(huge)}, KEV_STR("K"), KEV_STR("ks")),
		-EINVAL);
	assert_int_equal(kev_kinds_count(kinds), 0);
	check(kinds, "g/v1", "K", NULL);
	kev_kinds_unref(kinds);
}

static void test_add_is_bounded(void **state)
{
	struct kev_kinds *kinds = create();
	char kind[32];

	(void)state;
	for (int i = 0; i < KEV_KINDS_MAX; i++) {
		snprintf(kind, sizeof(kind), "Kind%d", i);
		add(kinds, i % 2 ? "a.example.com" : "b.example.com", kind, "things");
	}
	assert_int_equal(kev_kinds_add(kinds, KEV_STR(""), KEV_STR("Pod"), KEV_STR("pods")), -ENOSPC);
	assert_int_equal(kev_kinds_count(kinds), KEV_KINDS_MAX);
	check(kinds, "a.example.com/v1", "Kind77777", "a.example.com/things");
	check(kinds, "", "Kind77776", "b.example.com/things");
	check(kinds, "v1", "Pod", NULL);
	kev_kinds_unref(kinds);
}

static void test_builtin(void **state)
{
	struct kev_kinds *kinds = kev_kinds_create_builtin();

	(void)state;
	assert_non_null(kinds);
	check(kinds, "v1", "Pod", "/pods");
	check(kinds, "v1", "Endpoints", "/endpoints");
	check(kinds, "apps/v1", "Deployment", "apps/deployments");
	check(kinds, "apps/v1beta1", "ReplicaSet", "apps/replicasets");
	check(kinds, "batch/v1", "CronJob", "batch/cronjobs");
	check(kinds, "networking.k8s.io/v1", "Ingress", "networking.k8s.io/ingresses");
	check(kinds, "", "Node", "/nodes");
	check(kinds, "", "Event", "/events");
	check(kinds, "", "HorizontalPodAutoscaler", "autoscaling/horizontalpodautoscalers");
	check(kinds, "example.com/v1", "Pod", NULL);
	kev_kinds_unref(kinds);
}

static void test_group_is_bare(void **state)
{
	(void)state;
	assert_true(kev_kinds_group_is_bare(KEV_STR("")));
	assert_true(kev_kinds_group_is_bare(KEV_STR("apps")));
	assert_true(kev_kinds_group_is_bare(KEV_STR("storage.k8s.io")));
	assert_false(kev_kinds_group_is_bare(KEV_STR("app")));
	assert_false(kev_kinds_group_is_bare(KEV_STR("apps.")));
	assert_false(kev_kinds_group_is_bare(KEV_STR("Apps")));
	assert_false(kev_kinds_group_is_bare(KEV_STR("example.com")));
}

static void test_unref_shares(void **state)
{
	struct kev_kinds *kinds = create();

	(void)state;
	add(kinds, "", "Pod", "pods");
	assert_ptr_equal(kev_kinds_ref(kinds), kinds);
	kev_kinds_unref(kinds);
	check(kinds, "v1", "Pod", "/pods");
	kev_kinds_unref(kinds);
	kev_kinds_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_group_of),
		cmocka_unit_test(test_find_matches_exactly),
		cmocka_unit_test(test_find_without_api_version),
		cmocka_unit_test(test_add_keeps_the_first),
		cmocka_unit_test(test_add_refuses),
		cmocka_unit_test(test_add_is_bounded),
		cmocka_unit_test(test_builtin),
		cmocka_unit_test(test_group_is_bare),
		cmocka_unit_test(test_unref_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
