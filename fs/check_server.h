#ifndef KEVFS_CHECK_SERVER_H
#define KEVFS_CHECK_SERVER_H

#include <stdbool.h>

#include "check_ask.h"
#include "check_report.h"

/**
 * What it was that failed, of a request that brought no answer.
 * @param answer   its error is not 0
 * @param secure   the server is asked over TLS
 */
enum kev_check_exit kev_check_stage(const struct kev_check_answer *answer, bool secure);

#endif
