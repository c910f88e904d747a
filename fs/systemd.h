#ifndef KEVFS_SYSTEMD_H
#define KEVFS_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "kevfs/base/defs.h"

/**
 * Telling systemd how it goes, where it asks for that (Type=notify, NotifyAccess=): datagrams to the socket
 * that NOTIFY_SOCKET names.
 *
 * Source: sd_notify(3), sd_watchdog_enabled(3): the protocol is stable, and independent of libsystemd.
 */
struct kev_systemd {
	int fd; /**< -1: nobody asks */
	struct sockaddr_un address;
	socklen_t address_len;
	int64_t watchdog; /**< ns: that often it must hear of us; 0: it need not */
};

/**
 * Read what systemd has put into the environment, and take it out: nobody whom we start is to speak in our
 * name. What makes no sense is as if it were not there. Before there are threads.
 */
void kev_systemd_open(struct kev_systemd *systemd);
void kev_systemd_close(struct kev_systemd *systemd);

static inline bool kev_systemd_asks(const struct kev_systemd *systemd)
{
	return systemd->fd >= 0;
}

/** Tell it: assignments, one a line ("READY=1\nSTATUS=…"). Waits a moment where systemd is busy; what it does
 * not take then is lost. */
void kev_systemd_tell(const struct kev_systemd *systemd, const char *format, ...) KEV_PRINTF(2, 3);

#endif
