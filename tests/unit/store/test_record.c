#include "sample.h"

#include <errno.h>

#include "../nomem.h"
#include "kevfs/store/record.h"

static struct kev_occurrence occurrence(struct kev_event *about, int kind)
{
	struct kev_occurrence made = {.event = about, .when = NOON};

	made.kind = kind;
	return made;
}

/* 100,000 of them are kept at a first sync, and by each log. */
static void test_create_seen_takes_no_memory(void **state)
{
	struct kev_event *about = event("a", "x", "1", "one");
	const struct kev_occurrence seen = occurrence(about, KEV_OCCURRENCE_SEEN);
	struct kev_record *record;

	(void)state;
	kev_event_set_ctime(about, NOON + 7);
	nomem_fail_in(1);
	record = kev_record_create(&seen);
	assert_false(nomem_end());
	assert_ptr_equal(kev_record_occurrence(record).event, about);
	assert_int_equal(kev_record_occurrence(record).kind, KEV_OCCURRENCE_SEEN);
	assert_int_equal(kev_record_occurrence(record).when, NOON + 7);
	assert_int_equal(kev_record_size(record, KEV_RECORD_LINE), kev_event_line_size(about));
	assert_int_equal(kev_record_size(record, KEV_RECORD_JSON), kev_event_compact_size(about));
	kev_event_unref(about);
	kev_record_unref(kev_record_ref(record));
	kev_record_unref(record);
}

static int create_notice(void *context)
{
	const struct kev_occurrence gone = occurrence(context, KEV_OCCURRENCE_GONE);
	struct kev_record *record = kev_record_create(&gone);

	if (!record)
		return -ENOMEM;
	assert_ptr_equal(kev_record_occurrence(record).event, context);
	assert_int_equal(kev_record_occurrence(record).kind, KEV_OCCURRENCE_GONE);
	assert_int_equal(kev_record_occurrence(record).when, NOON);
	assert_true(kev_record_size(record, KEV_RECORD_LINE) > 0);
	assert_int_equal(kev_record_size(record, KEV_RECORD_JSON), 0);
	kev_record_unref(kev_record_ref(record));
	kev_record_unref(record);
	return 0;
}

static void test_create_notice(void **state)
{
	struct kev_event *about = event("a", "x", "1", "one");

	(void)state;
	assert_in_range(nomem_fail_each(create_notice, about), 2, 10);
	kev_event_unref(about);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_seen_takes_no_memory),
		cmocka_unit_test(test_create_notice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
