/* Any bytes as a timestamp: what is accepted means what libc says it means, and is the same written out
 * again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kevfs/event/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The two digits at text + at. */
static int number(const uint8_t *text, size_t at)
{
	return (text[at] - '0') * 10 + text[at + 1] - '0';
}

/* The seconds by libc's calendar. */
static int64_t seconds_of(const uint8_t *text, size_t size)
{
	struct tm tm = {.tm_year = number(text, 0) * 100 + number(text, 2) - 1900,
		.tm_mon = number(text, 5) - 1,
		.tm_mday = number(text, 8),
		.tm_hour = number(text, 11),
		.tm_min = number(text, 14),
		.tm_sec = number(text, 17)};
	int offset = 0;

	if (text[size - 1] != 'Z' && text[size - 1] != 'z')
		offset = (number(text, size - 5) * 60 + number(text, size - 2)) * 60;
	return timegm(&tm) - (text[size > 6 ? size - 6 : 0] == '-' ? -offset : offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t ns = -42, again;
	char text[KEV_TIMESTAMP_SIZE];

	if (kev_timestamp_parse((struct kev_str){(const char *)data, size}, &ns)) {
		if (ns != -42)
			abort();
		return 0;
	}
	if (ns < 0 || ns / KEV_NS_PER_SEC != seconds_of(data, size))
		abort();
	kev_timestamp_format(ns, text);
	if (strlen(text) != 30 || kev_timestamp_parse(kev_str_c(text), &again) || again != ns)
		abort();
	return 0;
}
