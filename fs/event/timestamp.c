#include "kevfs/event/timestamp.h"

#include <errno.h>
#include <stdbool.h>

#define SECONDS_PER_DAY 86400

/* A timestamp with escapes is decoded to this many characters at most: it has fewer, but for the digits of
 * its fraction, of which nine count. */
#define ESCAPED_MAX 64
#define FRACTION_AT (sizeof("2006-01-02T15:04:05.") - 1)
#define FRACTION_END (FRACTION_AT + 9)

/* 2262-01-01T00:00:00Z. An int64 of nanoseconds ends in April of that year. */
#define SECONDS_MAX 9214646400LL

/* What is left of the text; a step that fails leaves its output alone. */
struct reader {
	const char *p, *end;
};

static bool take_char(struct reader *r, char c, char other)
{
	if (r->p == r->end || (*r->p != c && *r->p != other))
		return false;
	r->p++;
	return true;
}

/* Exactly count digits, with a value from min to max. */
static bool take_number(struct reader *r, int count, int min, int max, int *out)
{
	int value = 0;

	if (r->end - r->p < count)
		return false;
	for (int i = 0; i < count; i++) {
		if (r->p[i] < '0' || r->p[i] > '9')
			return false;
		value = value * 10 + (r->p[i] - '0');
	}
	if (value < min || value > max)
		return false;
	r->p += count;
	*out = value;
	return true;
}

/* The digits behind a point, at least one, as nanoseconds. */
static bool take_fraction(struct reader *r, int64_t *out)
{
	const char *first = r->p;
	int64_t ns = 0, unit = KEV_NS_PER_SEC / 10;

	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
		ns += (*r->p - '0') * unit;
		unit /= 10;
	}
	if (r->p == first)
		return false;
	*out = ns;
	return true;
}

/* "Z" or "+hh:mm", as seconds east of Greenwich. */
static bool take_offset(struct reader *r, int *out)
{
	int hours, minutes, sign = 1;

	if (take_char(r, 'Z', 'z')) {
		*out = 0;
		return true;
	}
	if (take_char(r, '-', '-'))
		sign = -1;
	else if (!take_char(r, '+', '+'))
		return false;
	if (!take_number(r, 2, 0, 23, &hours) || !take_char(r, ':', ':') ||
		!take_number(r, 2, 0, 59, &minutes))
		return false;
	*out = sign * (hours * 3600 + minutes * 60);
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. A year begins in March here, so that the leap day
 * is its last one. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. */
static int64_t days_from_date(int year, int month, int day)
{
	int y = year - (month <= 2) + 400; /* year 0 stays positive; 400 years are one cycle */
	int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return 365LL * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468 - 146097;
}

int kev_timestamp_parse(struct kev_str s, int64_t *out)
{
	struct reader r = {.p = s.data};
	int year, month, day, hour, minute, second, offset;
	int64_t seconds, ns = 0;

	if (s.len == 0)
		return -EINVAL;
	r.end = s.data + s.len;
	if (!take_number(&r, 4, 0, 9999, &year) || !take_char(&r, '-', '-') ||
		!take_number(&r, 2, 1, 12, &month) || !take_char(&r, '-', '-') ||
		!take_number(&r, 2, 1, days_in_month(year, month), &day) || !take_char(&r, 'T', 't') ||
		!take_number(&r, 2, 0, 23, &hour) || !take_char(&r, ':', ':') ||
		!take_number(&r, 2, 0, 59, &minute) || !take_char(&r, ':', ':') ||
		!take_number(&r, 2, 0, 59, &second))
		return -EINVAL;
	if (take_char(&r, '.', '.') && !take_fraction(&r, &ns))
		return -EINVAL;
	if (!take_offset(&r, &offset) || r.p != r.end)
		return -EINVAL;
	seconds = days_from_date(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second -
		  offset;
	if (seconds < 0 || seconds >= SECONDS_MAX)
		return -ERANGE;
	*out = seconds * KEV_NS_PER_SEC + ns;
	return 0;
}

int kev_timestamp_get(const struct kev_json *json, uint32_t index, int64_t *out)
{
	/* Without an allocation that could fail: an escape in a timestamp is legal, and nobody writes one. */
	char decoded[ESCAPED_MAX];
	size_t len = 0;
	bool fraction = false; /* so far it ends in a fraction */
	struct kev_str raw;

	if (!kev_json_is(json, index, KEV_JSON_STRING))
		return -EINVAL;
	raw = kev_json_raw(json, index);
	if (kev_json_token(json, index)->plain)
		return kev_timestamp_parse(raw, out);
	while (raw.len > 0) {
		uint32_t codepoint;
		size_t taken = kev_json_decode_char(raw, &codepoint);

		raw.data += taken;
		raw.len -= taken;
		fraction = fraction && codepoint >= '0' && codepoint <= '9';
		if (fraction && len >= FRACTION_END)
			continue;
		if (codepoint >= 0x80 || len == sizeof(decoded))
			return -EINVAL;
		decoded[len++] = (char)codepoint;
		fraction = fraction || (len == FRACTION_AT && codepoint == '.');
	}
	return kev_timestamp_parse((struct kev_str){decoded, len}, out);
}

/* Write count digits at p. @return behind them */
static char *put_number(char *p, int64_t number, int count)
{
	/* At most nine digits. */
	uint32_t value = (uint32_t)number;

	for (int i = count - 1; i >= 0; i--) {
		p[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return p + count;
}

/* The inverse of days_from_date, for days from 1970 on. Source: civil_from_days, ibid. */
static char *put_date(char *p, int64_t days)
{
	int64_t cycle = (days + 719468) / 146097, day_of_cycle = (days + 719468) % 146097;
	int64_t year_of_cycle =
		(day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
	int64_t day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
	int64_t shifted = (5 * day_of_year + 2) / 153; /* 0 is March */
	int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;

	p = put_number(p, cycle * 400 + year_of_cycle + (month <= 2), 4);
	*p++ = '-';
	p = put_number(p, month, 2);
	*p++ = '-';
	return put_number(p, day_of_year - (153 * shifted + 2) / 5 + 1, 2);
}

int64_t kev_timestamp_first(const struct kev_json *json, const uint32_t *indexes, size_t count)
{
	int64_t ns;

	for (size_t i = 0; i < count; i++) {
		if (kev_timestamp_get(json, indexes[i], &ns) == 0)
			return ns;
	}
	return 0;
}

void kev_timestamp_format_second(int64_t second, char out[KEV_TIMESTAMP_SECOND_LEN])
{
	int64_t second_of_day = second % SECONDS_PER_DAY;
	char *p = put_date(out, second / SECONDS_PER_DAY);

	*p++ = 'T';
	p = put_number(p, second_of_day / 3600, 2);
	*p++ = ':';
	p = put_number(p, second_of_day / 60 % 60, 2);
	*p++ = ':';
	put_number(p, second_of_day % 60, 2);
}

void kev_timestamp_format(int64_t ns, char out[KEV_TIMESTAMP_SIZE])
{
	char *p = out + KEV_TIMESTAMP_SECOND_LEN;

	kev_timestamp_format_second(ns / KEV_NS_PER_SEC, out);
	*p++ = '.';
	p = put_number(p, ns % KEV_NS_PER_SEC, 9);
	*p++ = 'Z';
	*p = '\0';
}
