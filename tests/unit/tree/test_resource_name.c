#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/tree/resource_name.h"

struct fixture {
	struct kev_resource_names *names;
	struct kev_kinds *kinds;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->names = kev_resource_names_create();
	fixture->kinds = kev_kinds_create();
	assert_non_null(fixture->names);
	assert_non_null(fixture->kinds);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	kev_resource_names_destroy(fixture->names);
	kev_kinds_unref(fixture->kinds);
	free(fixture);
	return 0;
}

static void know(struct fixture *fixture, const char *group, const char *kind, const char *plural)
{
	assert_int_equal(
		kev_kinds_add(fixture->kinds, kev_str_c(group), kev_str_c(kind), kev_str_c(plural)), 0);
}

static struct kev_resource_name *get(struct fixture *fixture, const char *api_version, const char *kind)
{
	struct kev_resource_name *name = NULL;

	assert_int_equal(kev_resource_names_get(fixture->names, fixture->kinds, kev_str_c(api_version),
				 kev_str_c(kind), &name),
		0);
	return name;
}

static void assert_name(
	struct fixture *fixture, const char *api_version, const char *kind, const char *expected)
{
	assert_str_equal(kev_resource_name_str(get(fixture, api_version, kind)), kev_str_c(expected));
}

static void test_get_known(void **state)
{
	struct fixture *fixture = *state;

	know(fixture, "", "Pod", "pods");
	know(fixture, "apps", "Deployment", "deployments");
	know(fixture, "example.com", "Widget", "widgets");
	assert_name(fixture, "v1", "Pod", "pods");
	assert_name(fixture, "", "Pod", "pods");
	assert_name(fixture, "apps/v1", "Deployment", "deployments");
	assert_name(fixture, "apps/v1beta1", "Deployment", "deployments");
	assert_name(fixture, "", "Deployment", "deployments");
	assert_name(fixture, "example.com/v1", "Widget", "widgets.example.com");
}

static void test_get_shared(void **state)
{
	struct fixture *fixture = *state;

	know(fixture, "", "Event", "events");
	know(fixture, "events.k8s.io", "Event", "events");
	assert_name(fixture, "v1", "Event", "%65vents");
	assert_name(fixture, "events.k8s.io/v1", "Event", "%65vents");
}

static void test_get_unknown(void **state)
{
	struct fixture *fixture = *state;

	assert_name(fixture, "", "Gadget", "Gadget");
	assert_name(fixture, "v1", "Gadget", "Gadget");
	assert_name(fixture, "example.com/v1", "Gadget", "Gadget.example.com");
	assert_name(fixture, "", "", "%");
	assert_name(fixture, "", "gadget", "gadget");
}

/* What stands under a name keeps it, whatever discovery learns. */
static void test_get_remembered(void **state)
{
	struct fixture *fixture = *state;

	kev_resource_names_use(fixture->names, get(fixture, "example.com/v1", "Gadget"));
	know(fixture, "example.com", "Gadget", "gadgets");
	assert_name(fixture, "example.com/v1", "Gadget", "Gadget.example.com");
	assert_name(fixture, "example.com/v2", "Gadget", "Gadget.example.com");
	/* Without an apiVersion it is another question, with another answer. */
	assert_name(fixture, "", "Gadget", "gadgets.example.com");
}

/* Nobody occupies a resource's name by calling his kind that. */
static void test_get_taken_by_resource(void **state)
{
	struct fixture *fixture = *state;

	assert_name(fixture, "", "pods", "%70ods");
	assert_name(fixture, "v1", "secrets", "%73ecrets");
	assert_name(fixture, "", "events", "%65%76ents");
	know(fixture, "", "Pod", "pods");
	assert_name(fixture, "v1", "Pod", "pods");
	know(fixture, "example.com", "Widget", "widgets");
	assert_name(fixture, "example.com/v1", "Widget", "widgets.example.com");
	assert_name(fixture, "example.com/v1", "widgets", "%77idgets.example.com");
}

static void test_get_taken_by_kind(void **state)
{
	struct fixture *fixture = *state;

	assert_name(fixture, "example.com/v1", "widgets", "widgets.example.com");
	know(fixture, "example.com", "Widget", "widgets");
	assert_name(fixture, "example.com/v1", "Widget", "%77idgets.example.com");
	assert_name(fixture, "example.com/v1", "widgets", "widgets.example.com");
}

static void test_get_long_kind(void **state)
{
	struct fixture *fixture = *state;
	char *kind = malloc(100001);
	struct kev_resource_name *name;

	assert_non_null(kind);
	memset(kind, 'K', 100000);
	kind[100000] = '\0';
	name = get(fixture, "v1", kind);
	assert_int_equal(kev_resource_name_str(name).len, 255);
	assert_ptr_equal(get(fixture, "v1", kind), name);
	kind[99999] = 'L';
	assert_ptr_not_equal(get(fixture, "v1", kind), name);
	free(kind);
}

/* Strings that would run together if they were simply joined. */
static void test_get_no_confusion(void **state)
{
	struct fixture *fixture = *state;

	assert_name(fixture, "ab/v1", "C", "C.ab");
	assert_name(fixture, "a/v1", "bC", "bC.a");
	assert_name(fixture, "abC/v1", "", "%.abC");
}

static void test_release_forgets_oldest(void **state)
{
	struct fixture *fixture = *state;
	struct kev_resource_name *used = get(fixture, "x.y/v1", "Used");
	char kind[32];

	kev_resource_names_use(fixture->names, used);
	kev_resource_names_use(fixture->names, used);
	get(fixture, "x.y/v1", "First");
	for (int i = 0; i < KEV_RESOURCE_NAMES_UNUSED_MAX; i++) {
		snprintf(kind, sizeof(kind), "Kind%d", i);
		get(fixture, "x.y/v1", kind);
	}
	assert_int_equal(kev_resource_names_count(fixture->names), KEV_RESOURCE_NAMES_UNUSED_MAX + 1);
	know(fixture, "x.y", "Used", "useds");
	know(fixture, "x.y", "First", "firsts");
	know(fixture, "x.y", "Kind1", "kind1s");
	assert_name(fixture, "x.y/v1", "Kind1", "Kind1.x.y");
	assert_name(fixture, "x.y/v1", "Used", "Used.x.y");
	/* Nothing stands under it and it was long ago: decided anew. */
	assert_name(fixture, "x.y/v1", "First", "firsts.x.y");
	kev_resource_names_release(fixture->names, used);
	assert_name(fixture, "x.y/v1", "Used", "Used.x.y");
	kev_resource_names_release(fixture->names, used);
	assert_int_equal(kev_resource_names_count(fixture->names), KEV_RESOURCE_NAMES_UNUSED_MAX);
	assert_name(fixture, "x.y/v1", "Used", "Used.x.y");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_get_known),
		TEST(test_get_shared),
		TEST(test_get_unknown),
		TEST(test_get_remembered),
		TEST(test_get_taken_by_resource),
		TEST(test_get_taken_by_kind),
		TEST(test_get_long_kind),
		TEST(test_get_no_confusion),
		TEST(test_release_forgets_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
