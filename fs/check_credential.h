#ifndef KEVFS_CHECK_CREDENTIAL_H
#define KEVFS_CHECK_CREDENTIAL_H

#include <stdbool.h>

#include "check_run.h"

/**
 * Who we are for the server, and for how long.
 * @param first  what it answered first: a 401 says enough
 * @return whether it lets us in
 */
bool kev_check_credential(struct kev_check *check, const struct kev_check_answer *first);

#endif
