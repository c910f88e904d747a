#include "systemd.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "kevfs/base/log.h"
#include "kevfs/base/num.h"

/* What is told at once at most. */
#define TEXT_MAX 4096

/* How long systemd may be busy. */
#define PATIENCE_S 2

#define NS_PER_US 1000

/* A path, or a name that is in no filesystem: that begins with a NUL, which the environment writes as "@".
 * Others (vsock:) are for whole virtual machines. */
static bool set_address(struct kev_systemd *systemd, const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(systemd->address.sun_path))
		return false;
	systemd->address.sun_family = AF_UNIX;
	memcpy(systemd->address.sun_path, name, len + 1);
	systemd->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	if (name[0] == '@') {
		systemd->address.sun_path[0] = '\0';
		/* There each byte counts, and no NUL ends it. */
		systemd->address_len--;
	}
	return true;
}

/* @return ns, or 0: no watchdog, or another process' */
static int64_t read_watchdog(void)
{
	const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us = 0, whose = 0;

	if (!interval || kev_num_parse_u64(kev_str_c(interval), INT64_MAX / NS_PER_US, &us))
		return 0;
	if (pid && (kev_num_parse_u64(kev_str_c(pid), INT32_MAX, &whose) || (pid_t)whose != getpid()))
		return 0;
	return (int64_t)us * NS_PER_US;
}

void kev_systemd_open(struct kev_systemd *systemd)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	const char *name = getenv("NOTIFY_SOCKET");

	*systemd = (struct kev_systemd){.fd = -1};
	if (name && set_address(systemd, name)) {
		systemd->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		systemd->watchdog = read_watchdog();
	}
	if (systemd->fd >= 0)
		(void)setsockopt(systemd->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void kev_systemd_close(struct kev_systemd *systemd)
{
	if (systemd->fd >= 0)
		close(systemd->fd);
	systemd->fd = -1;
}

void kev_systemd_tell(const struct kev_systemd *systemd, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	if (!kev_systemd_asks(systemd))
		return;
	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		return;
	if (len > TEXT_MAX)
		len = TEXT_MAX;
	/* Whom it is for may have ended, or begin anew: the next one may arrive. */
	if (sendto(systemd->fd, text, (size_t)len, MSG_NOSIGNAL, (const struct sockaddr *)&systemd->address,
		    systemd->address_len) < 0)
		kev_log_debug("systemd does not listen: %s", strerror(errno));
	free(text);
}
