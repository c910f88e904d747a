#include "check_run.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *kev_check_date(int64_t seconds, char out[KEV_CHECK_TIME_SIZE])
{
	time_t time = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&time, &tm) || !strftime(out, KEV_CHECK_TIME_SIZE, "%Y-%m-%d %H:%M UTC", &tm))
		memcpy(out, "?", 2);
	return out;
}

static void count(char *out, int64_t n, const char *unit)
{
	snprintf(out, KEV_CHECK_TIME_SIZE, "%lld %s%s", (long long)n, unit, n == 1 ? "" : "s");
}

const char *kev_check_span(int64_t ns, char out[KEV_CHECK_TIME_SIZE])
{
	int64_t seconds = ns / KEV_NS_PER_SEC;

	if (seconds < 1)
		snprintf(out, KEV_CHECK_TIME_SIZE, "%.1f ms", (double)ns / KEV_NS_PER_MS);
	else if (seconds < 120)
		count(out, seconds, "second");
	else if (seconds < (int64_t)120 * 60)
		count(out, seconds / 60, "minute");
	else if (seconds < (int64_t)48 * 3600)
		count(out, seconds / 3600, "hour");
	else
		count(out, seconds / 86400, "day");
	return out;
}
