#include "check_report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/text.h"

/* A line, or what stands in one, is cut here: a hostile server must not fill a terminal. */
#define TEXT_MAX 4096
#define LINE_MAX_BYTES (8 * TEXT_MAX)

enum result { OK, WARNING, FAILED };

static const char *const words[] = {"ok", "warning", "failed"};
static const char *const colours[] = {"\033[32m", "\033[33m", "\033[1;31m"};

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

static bool likes_colours(FILE *out)
{
	const char *terminal = getenv("TERM");

	return isatty(fileno(out)) && !is_set("NO_COLOR") && terminal && *terminal &&
	       strcmp(terminal, "dumb") != 0;
}

void kev_check_report_init(struct kev_check_report *report, FILE *out, bool json)
{
	*report = (struct kev_check_report){
		.out = out, .json = json, .colour = !json && likes_colours(out), .exit = KEV_CHECK_FINE};
}

/* For a person's eyes, and cut between two characters where it is too long. */
static void append_clean(struct kev_buf *out, const char *text)
{
	struct kev_buf clean;

	kev_buf_init(&clean, TEXT_MAX);
	kev_text_append_escaped(&clean, kev_str_c(text));
	kev_buf_append_str(out, kev_buf_str(&clean));
	if (clean.error)
		kev_buf_append_c(out, "...");
	kev_buf_fini(&clean);
}

/* After append_clean() there are no control characters, so these two are all that JSON escapes. Valid UTF-8
 * it is as well. */
static void append_member(struct kev_buf *out, const char *name, const char *text)
{
	struct kev_buf clean;

	kev_buf_init(&clean, LINE_MAX_BYTES);
	append_clean(&clean, text);
	kev_buf_printf(out, "%s\"%s\":\"", out->len > 1 ? "," : "", name);
	for (size_t i = 0; i < clean.len; i++) {
		if (clean.data[i] == '"' || clean.data[i] == '\\')
			kev_buf_append_char(out, '\\');
		kev_buf_append_char(out, clean.data[i]);
	}
	kev_buf_append_char(out, '"');
	kev_buf_fini(&clean);
}

static void append_json(
	struct kev_buf *line, enum result result, const char *what, const char *text, const char *next)
{
	kev_buf_append_char(line, '{');
	append_member(line, "check", what);
	append_member(line, "result", words[result]);
	append_member(line, "found", text);
	if (next)
		append_member(line, "next", next);
	kev_buf_append_c(line, "}\n");
}

static void append_line(struct kev_buf *line, bool colour, enum result result, const char *what,
	const char *text, const char *next)
{
	kev_buf_printf(line, "%s%-7s%s  %-12s  ", colour ? colours[result] : "", words[result],
		colour ? "\033[0m" : "", what);
	append_clean(line, text);
	if (next) {
		kev_buf_append_c(line, "; ");
		append_clean(line, next);
	}
	kev_buf_append_char(line, '\n');
}

static void say(struct kev_check_report *report, enum result result, const char *what, const char *next,
	const char *format, va_list args) KEV_PRINTF(5, 0);
static void say(struct kev_check_report *report, enum result result, const char *what, const char *next,
	const char *format, va_list args)
{
	struct kev_buf line;
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	kev_buf_init(&line, LINE_MAX_BYTES);
	if (report->json)
		append_json(&line, result, what, text ? text : "out of memory", next);
	else
		append_line(&line, report->colour, result, what, text ? text : "out of memory", next);
	fwrite(line.data ? line.data : "", 1, line.len, report->out);
	/* Whoever waits sees how far it is. */
	fflush(report->out);
	kev_buf_fini(&line);
	free(text);
}

void kev_check_ok(struct kev_check_report *report, const char *what, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(report, OK, what, NULL, format, args);
	va_end(args);
}

void kev_check_warn(
	struct kev_check_report *report, const char *what, const char *next, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(report, WARNING, what, next, format, args);
	va_end(args);
}

void kev_check_fail(struct kev_check_report *report, enum kev_check_exit code, const char *what,
	const char *next, const char *format, ...)
{
	va_list args;

	if (report->exit == KEV_CHECK_FINE)
		report->exit = code;
	va_start(args, format);
	say(report, FAILED, what, next, format, args);
	va_end(args);
}
