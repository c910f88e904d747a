#ifndef KEVFS_CHECK_REPORT_H
#define KEVFS_CHECK_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "kevfs/base/defs.h"

/** What the exit code says: the first thing that failed. Documented in kevfs-check(8), and never changed. */
enum kev_check_exit {
	KEV_CHECK_FINE = 0, /**< all that was found is ok, or a warning */
	KEV_CHECK_USAGE = 1,
	KEV_CHECK_CONFIG = 2,
	KEV_CHECK_NAME = 3,
	KEV_CHECK_CONNECTION = 4,
	KEV_CHECK_TLS = 5,
	KEV_CHECK_SERVER = 6,
	KEV_CHECK_CREDENTIAL = 7,
	KEV_CHECK_PERMISSION = 8,
	KEV_CHECK_LOCAL = 9,
	KEV_CHECK_FILE = 10,
	KEV_CHECK_INTERNAL = 11,
};

/** What was found so far: a line each, written as it comes. */
struct kev_check_report {
	FILE *out;
	bool json;                /**< an object a line */
	bool colour;              /**< the first word, for a terminal */
	enum kev_check_exit exit; /**< of the first that failed */
};

/** @param json  for a program. Whether there are colours is found out here. */
void kev_check_report_init(struct kev_check_report *report, FILE *out, bool json);

/* A line. What is foreign in it is escaped when it is written, as all of it.
 *   what  the thing that was looked at, a word or two: "TLS"
 *   next  what to do, or NULL */

void kev_check_ok(struct kev_check_report *report, const char *what, const char *format, ...)
	KEV_PRINTF(3, 4);
void kev_check_warn(struct kev_check_report *report, const char *what, const char *next, const char *format,
	...) KEV_PRINTF(4, 5);
void kev_check_fail(struct kev_check_report *report, enum kev_check_exit code, const char *what,
	const char *next, const char *format, ...) KEV_PRINTF(5, 6);

#endif
