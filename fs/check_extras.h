#ifndef KEVFS_CHECK_EXTRAS_H
#define KEVFS_CHECK_EXTRAS_H

#include "check_right.h"

/** What makes a mount cheaper, and is not needed. @param events  that may be listed and watched */
void kev_check_extras(struct kev_check *check, const struct kev_check_right *events);

#endif
