/* What an event takes when there are many: texts like those of tests/cluster/flood and tests/fake/synth.go.
 */
#include "../test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "created.h"

#define EVENTS 20000U
#define NAMESPACES 10U
#define PODS 100U
#define START (INT64_C(1780000000) * KEV_NS_PER_SEC)

#define TIME_LEN 32

static const struct {
	const char *reason, *type, *message;
} kinds[] = {
	{"Scheduled", "Normal", "Successfully assigned %s/%s to node-%u"},
	{"Pulling", "Normal", "Pulling image \\\"registry.example/%s/%s:v1.%u\\\""},
	{"Pulled", "Normal",
		"Successfully pulled image \\\"registry.example/%s/%s:v1\\\" in 1.%us (1.9s including "
		"waiting). Image size: 70617411 bytes."},
	{"Created", "Normal", "Created container %s-%s-%u"},
	{"Started", "Normal", "Started container %s-%s-%u"},
	{"BackOff", "Warning",
		"Back-off restarting failed container %s in pod %s (attempt \\u003c%u\\u003e) \\u0026 "
		"waiting"},
	{"Unhealthy", "Warning",
		"Readiness probe failed: Get \\\"http://10.1.2.3:8080/%s/%s?x=%u\\\": context deadline "
		"exceeded"},
};

static void print_uid(uint64_t n, char out[37])
{
	uint64_t high = n * 0x9e3779b97f4a7c15, low = (n + 1) * 0xc2b2ae3d27d4eb4f;

	snprintf(out, 37, "%08x-%04x-4%03x-8%03x-%012" PRIx64, (unsigned)(high >> 32),
		(unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff), (unsigned)(low >> 52),
		low & 0xffffffffffff);
}

static void print_time(int64_t ns, char out[TIME_LEN])
{
	time_t seconds = (time_t)(ns / KEV_NS_PER_SEC);
	struct tm parts;

	strftime(out, TIME_LEN, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
}

/* The i-th event. @param new_uids  each says another uid of its pod, as flood does */
static struct kev_event *make(unsigned i, bool new_uids)
{
	char namespace_[16], pod[40], uid[37], pod_uid[37], message[250], first[TIME_LEN], last[TIME_LEN],
		text[2000];
	int64_t born = START + i * (3600 * KEV_NS_PER_SEC / EVENTS) + i * 7919 % 1000;
	unsigned kind = i % 7, node = i % 50, count = 1 + i % 3;
	int len;

	snprintf(namespace_, sizeof(namespace_), "flood-%u", i % NAMESPACES);
	snprintf(pod, sizeof(pod), "app-%u-6c8d9f7b5c-x%05u", i % 7, i / NAMESPACES % PODS);
	print_uid((uint64_t)born, uid);
	print_uid(new_uids ? (uint64_t)born + 1 : i % (NAMESPACES * PODS), pod_uid);
	print_time(born, first);
	print_time(born + (count - 1) * KEV_NS_PER_SEC, last);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(message, sizeof(message), kinds[kind].message, namespace_, pod, i);
#pragma GCC diagnostic pop
	len = snprintf(text, sizeof(text),
		"{\"metadata\":{\"name\":\"%s.%" PRIx64 "\",\"namespace\":\"%s\",\"uid\":\"%s\","
		"\"resourceVersion\":\"%u\",\"creationTimestamp\":\"%s\",\"managedFields\":[{\"time\":\"%s\"}"
		"]},"
		"\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"%s\","
		"\"apiVersion\":\"v1\",\"fieldPath\":\"spec.containers{app}\"},\"reason\":\"%s\","
		"\"message\":\"%s\",\"source\":{\"component\":\"kubelet\",\"host\":\"node-%u\"},"
		"\"firstTimestamp\":\"%s\",\"lastTimestamp\":\"%s\",\"count\":%u,\"type\":\"%s\","
		"\"eventTime\":null,\"reportingComponent\":\"kubelet\",\"reportingInstance\":\"node-%u\"}",
		pod, born, namespace_, uid, 48000000 + i, first, last, namespace_, pod, pod_uid,
		kinds[kind].reason, message, node, first, last, count, kinds[kind].type, node);
	assert_in_range(len, 500, sizeof(text) - 1);
	return created((struct kev_str){text, (size_t)len});
}

static void assert_mean(bool new_uids, size_t max)
{
	struct kev_event **events = calloc(EVENTS, sizeof(struct kev_event *));
	size_t sum = 0;

	assert_non_null(events);
	for (unsigned i = 0; i < EVENTS; i++) {
		events[i] = make(i, new_uids);
		sum += kev_event_memory(events[i]);
	}
	print_message("%zu bytes an event, %zu words\n", sum / EVENTS, kev_intern_count(words()));
	assert_in_range(sum / EVENTS, 50, max);
	for (unsigned i = 0; i < EVENTS; i++)
		kev_event_unref(events[i]);
	assert_int_equal(kev_intern_count(words()), 0);
	free(events);
}

static void test_memory_mean(void **state)
{
	(void)state;
	assert_mean(false, 110);
}

static void test_memory_mean_of_new_uids(void **state)
{
	(void)state;
	assert_mean(true, 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_mean),
		cmocka_unit_test(test_memory_mean_of_new_uids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
