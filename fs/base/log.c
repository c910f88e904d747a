#include "kevfs/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/text.h"

/* A line is cut here: a hostile message must not fill a journal. */
#define LINE_MAX_BYTES 4096

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const int syslog_levels[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

static atomic_int log_level = KEV_LOG_WARNING;
static atomic_int log_sink = KEV_LOG_STDERR;

void kev_log_set_level(enum kev_log_level level)
{
	atomic_store(&log_level, (int)level);
}

void kev_log_set_sink(enum kev_log_sink sink)
{
	atomic_store(&log_sink, (int)sink);
	if (sink == KEV_LOG_SYSLOG)
		openlog("kevfs", LOG_PID, LOG_DAEMON);
}

int kev_log_parse_level(const char *name, enum kev_log_level *out)
{
	for (size_t i = 0; i < KEV_ARRAY_LEN(level_names); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum kev_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void write_stderr(enum kev_log_level level, struct kev_str text)
{
	struct kev_buf line;
	ssize_t written;

	kev_buf_init(&line, LINE_MAX_BYTES * 2);
	kev_buf_printf(&line, "kevfs: %s%s", level == KEV_LOG_ERROR ? "" : level_names[level],
		level == KEV_LOG_ERROR ? "" : ": ");
	kev_buf_append_str(&line, text);
	kev_buf_append_char(&line, '\n');
	do
		written = write(STDERR_FILENO, line.data, line.len);
	while (written < 0 && errno == EINTR);
	kev_buf_fini(&line);
}

void kev_log(enum kev_log_level level, const char *format, ...)
{
	struct kev_buf text;
	char *raw = NULL;
	va_list args;
	int n;

	if ((int)level > atomic_load_explicit(&log_level, memory_order_relaxed))
		return;
	va_start(args, format);
	n = vasprintf(&raw, format, args);
	va_end(args);
	if (n < 0)
		return;
	/* The cap cuts the line between two characters: an append that does not fit changes nothing. */
	kev_buf_init(&text, LINE_MAX_BYTES);
	kev_text_append_escaped(&text, (struct kev_str){raw, (size_t)n});
	free(raw);
	if (atomic_load(&log_sink) == KEV_LOG_SYSLOG)
		syslog(syslog_levels[level], "%.*s", (int)text.len, text.data ? text.data : "");
	else
		write_stderr(level, kev_buf_str(&text));
	kev_buf_fini(&text);
}
