#include "kevfs/cluster/head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "kevfs/base/num.h"

void kev_head_init(struct kev_head *head)
{
	*head = (struct kev_head){.retry_after = -1};
}

static struct kev_str from(struct kev_str s, size_t start)
{
	return (struct kev_str){s.data + start, s.len - start};
}

static struct kev_str trim(struct kev_str s)
{
	while (s.len && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = from(s, 1);
	while (s.len && strchr(" \t\r\n", s.data[s.len - 1]))
		s.len--;
	return s;
}

static bool parse_part(struct kev_str s, size_t start, size_t len, uint64_t max, int *out)
{
	uint64_t value;

	if (kev_num_parse_u64((struct kev_str){s.data + start, len}, max, &value))
		return false;
	*out = (int)value;
	return true;
}

static bool parse_month(struct kev_str s, size_t start, int *out)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (memcmp(s.data + start, months + (size_t)i * 3, 3) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form that may still be sent (RFC 9110 section 5.6.7). */
static bool parse_date(struct kev_str s, int64_t *out)
{
	static const char form[] = "___, __ ___ ____ __:__:__ GMT";
	struct tm tm = {.tm_isdst = 0};
	int year;

	if (s.len != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (form[i] != '_' && s.data[i] != form[i])
			return false;
	}
	if (!parse_part(s, 5, 2, 31, &tm.tm_mday) || !parse_month(s, 8, &tm.tm_mon) ||
		!parse_part(s, 12, 4, 9999, &year) || !parse_part(s, 17, 2, 23, &tm.tm_hour) ||
		!parse_part(s, 20, 2, 59, &tm.tm_min) || !parse_part(s, 23, 2, 60, &tm.tm_sec))
		return false;
	tm.tm_year = year - 1900;
	*out = timegm(&tm);
	return true;
}

static void read_retry_after(struct kev_head *head, struct kev_str value, int64_t now)
{
	uint64_t seconds;
	int64_t date;
	int r = kev_num_parse_u64(value, KEV_HEAD_RETRY_AFTER_MAX, &seconds);

	if (r == 0)
		head->retry_after = (int)seconds;
	else if (r == -ERANGE)
		head->retry_after = KEV_HEAD_RETRY_AFTER_MAX;
	else if (parse_date(value, &date) && date <= now)
		head->retry_after = 0;
	else if (parse_date(value, &date))
		head->retry_after =
			date - now < KEV_HEAD_RETRY_AFTER_MAX ? (int)(date - now) : KEV_HEAD_RETRY_AFTER_MAX;
}

/* A value that does not fit, or holds a NUL, is not given. */
static void copy_value(struct kev_str value, char *out, size_t size)
{
	out[0] = '\0';
	if (value.len >= size || (value.len && memchr(value.data, '\0', value.len)))
		return;
	if (value.len)
		memcpy(out, value.data, value.len);
	out[value.len] = '\0';
}

static void lower(char *s)
{
	for (; *s; s++) {
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + ('a' - 'A'));
	}
}

static bool is_named(struct kev_str name, const char *what)
{
	return name.len == strlen(what) && strncasecmp(name.data, what, name.len) == 0;
}

static void read_field(struct kev_head *head, struct kev_str name, struct kev_str value, int64_t now)
{
	if (is_named(name, "Retry-After")) {
		read_retry_after(head, value, now);
	} else if (is_named(name, "Content-Type")) {
		const char *semicolon = value.len ? memchr(value.data, ';', value.len) : NULL;

		if (semicolon)
			value.len = (size_t)(semicolon - value.data);
		copy_value(trim(value), head->content_type, sizeof(head->content_type));
		lower(head->content_type);
	} else if (is_named(name, "Content-Encoding")) {
		copy_value(value, head->encoding, sizeof(head->encoding));
		lower(head->encoding);
	} else if (is_named(name, "Date")) {
		if (!parse_date(value, &head->date))
			head->date = 0;
	} else if (is_named(name, "ETag")) {
		copy_value(value, head->etag, sizeof(head->etag));
	}
}

/* "HTTP/1.1 200 OK", "HTTP/2 200". */
static int read_status(struct kev_head *head, struct kev_str line)
{
	const char *space = memchr(line.data, ' ', line.len);
	size_t start = space ? (size_t)(space - line.data) + 1 : line.len;
	int status;

	if (line.len - start < 3 || !parse_part(line, start, 3, 999, &status) || status < 100)
		return -EPROTO;
	kev_head_init(head);
	head->status = status;
	return 0;
}

int kev_head_line(struct kev_head *head, struct kev_str line, int64_t now)
{
	size_t bytes = head->bytes + line.len;
	const char *colon;
	int r = 0;

	if (bytes > KEV_HEAD_MAX)
		return -EMSGSIZE;
	line = trim(line);
	if (head->complete) {
		/* A trailer. */
	} else if (kev_str_starts(line, KEV_STR("HTTP/"))) {
		r = read_status(head, line);
	} else if (head->status == 0) {
		r = -EPROTO;
	} else if (line.len == 0) {
		head->complete = head->status >= 200;
	} else {
		colon = memchr(line.data, ':', line.len);
		if (colon) {
			size_t len = (size_t)(colon - line.data);

			read_field(head, (struct kev_str){line.data, len}, trim(from(line, len + 1)), now);
		}
	}
	head->bytes = bytes;
	return r;
}

struct kev_http_response kev_head_response(const struct kev_head *head)
{
	return (struct kev_http_response){
		.status = head->complete ? head->status : 0,
		.retry_after = head->retry_after,
		.content_type = kev_str_c(head->content_type),
		.etag = head->etag[0] ? head->etag : NULL,
		.date = head->date,
		.gzip = strcmp(head->encoding, "gzip") == 0,
	};
}
