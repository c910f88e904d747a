#ifndef KEVFS_BASE_HELPER_PROCESS_H
#define KEVFS_BASE_HELPER_PROCESS_H

#include "kevfs/base/helper.h"

/** The other side of helper.h: what the process does. The messages are packets of one struct. */

enum kev_helper_order_kind { KEV_HELPER_RUN = 1, KEV_HELPER_KILL, KEV_HELPER_UNMOUNT, KEV_HELPER_GUARD };

/** With KEV_HELPER_RUN two descriptors come along. A struct kev_helper_result is the answer to RUN and to
 * UNMOUNT. */
struct kev_helper_order {
	enum kev_helper_order_kind kind;
	uint64_t mount; /* of GUARD */
};

/** Never returns. @param runs, unmounts  the sockets; all other descriptors are closed */
void kev_helper_process(const struct kev_helper_config *config, int runs, int unmounts)
	__attribute__((noreturn));

#endif
