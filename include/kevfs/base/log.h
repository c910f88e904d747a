#ifndef KEVFS_BASE_LOG_H
#define KEVFS_BASE_LOG_H

#include "kevfs/base/defs.h"

/** The levels of -o log_level=, most urgent first. */
enum kev_log_level { KEV_LOG_ERROR, KEV_LOG_WARNING, KEV_LOG_INFO, KEV_LOG_DEBUG };

/** Where log lines go. */
enum kev_log_sink { KEV_LOG_STDERR, KEV_LOG_SYSLOG };

/** Set the level (atomic; any thread). The default is KEV_LOG_WARNING. */
void kev_log_set_level(enum kev_log_level level);

/** Set the sink; call before threads start. The default is KEV_LOG_STDERR. */
void kev_log_set_sink(enum kev_log_sink sink);

/** Parse "error", "warning", "info" or "debug". @return 0 or -EINVAL, *out untouched */
int kev_log_parse_level(const char *name, enum kev_log_level *out) KEV_MUST_USE;

/**
 * Write one line. Control characters, C1, DEL and invalid UTF-8 in the result are written as \xNN, newlines
 * too: a line of the log is always one message, and never moves a terminal's cursor. Safe in every thread,
 * one write(2).
 */
void kev_log(enum kev_log_level level, const char *format, ...) KEV_PRINTF(2, 3);

#define kev_log_error(...) kev_log(KEV_LOG_ERROR, __VA_ARGS__)
#define kev_log_warning(...) kev_log(KEV_LOG_WARNING, __VA_ARGS__)
#define kev_log_info(...) kev_log(KEV_LOG_INFO, __VA_ARGS__)
#define kev_log_debug(...) kev_log(KEV_LOG_DEBUG, __VA_ARGS__)

#endif
