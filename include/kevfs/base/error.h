#ifndef KEVFS_BASE_ERROR_H
#define KEVFS_BASE_ERROR_H

#include "kevfs/base/defs.h"
#include "kevfs/base/str.h"

/**
 * Why something failed, for a person: what was wrong, where, and what to do; one line. The caller owns the
 * struct and may pass NULL where it does not want the text. Control characters, C1 and invalid UTF-8 are
 * escaped when the text is set, so it may go to a terminal or a log as it stands.
 */
struct kev_error {
	char text[1024];
};

/** Set the text (cut at the struct's size). */
void kev_error_set(struct kev_error *error, const char *format, ...) KEV_PRINTF(2, 3);

/** Put "format: " in front of the text that is there: the caller's context. */
void kev_error_prefix(struct kev_error *error, const char *format, ...) KEV_PRINTF(2, 3);

#endif
