#include "options_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/num.h"

/* Seconds. */
#define SYNC_TIMEOUT_MAX 86400
#define EXEC_TIMEOUT_MAX 3600

#define MAX_WATCHES_LIMIT 100000
#define LOG_LIMIT (1ULL << 50)

/* What may be kept of Events. */
#define EVENTS_LIMIT 1000000000
#define BYTES_LIMIT (1ULL << 50)

/* Digits behind the point of a replay's speed, and the highest speed. */
#define REPLAY_PLACES 6
#define REPLAY_MAX 1000000

static int append_copy(char **joined, const char *text)
{
	char *all = NULL;

	if (asprintf(&all, "%s%s%s", *joined ? *joined : "", *joined ? "," : "", text) < 0)
		return -ENOMEM;
	free(*joined);
	*joined = all;
	return 0;
}

int kev_option_copy(char **out, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*out);
	*out = copy;
	return 0;
}

static int set_number(
	const struct kev_option *row, const char *value, uint64_t max, uint64_t *out, struct kev_error *error)
{
	if (kev_num_parse_u64(kev_str_c(value), max, out) == 0)
		return 0;
	kev_error_set(
		error, "-o %s=%s: not a number from 0 to %llu", row->name, value, (unsigned long long)max);
	return -EINVAL;
}

/* A DNS label: RFC 1123, as apimachinery's IsDNS1123Label has it. */
static bool is_namespace(const char *name)
{
	static const char inside[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t len = strlen(name);

	return len > 0 && len <= 63 && strspn(name, inside) == len && name[0] != '-' && name[len - 1] != '-';
}

static int set_namespace(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	size_t count = options->namespace_count;
	char **grown;

	if (!is_namespace(value)) {
		kev_error_set(error, "-o %s=%s: not the name of a namespace", row->name, value);
		return -EINVAL;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(options->namespaces[i], value) == 0)
			return 0;
	}
	grown = realloc(options->namespaces, (count + 2) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	options->namespaces = grown;
	grown[count] = strdup(value);
	grown[count + 1] = NULL;
	if (!grown[count])
		return -ENOMEM;
	options->namespace_count = count + 1;
	return 0;
}

static int set_field_selector(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	/* A comma inside is a selector's own AND. */
	if (!strchr(value, '=')) {
		kev_error_set(error, "-o %s=%s: not a selector such as type=Warning or reason!=Pulled",
			row->name, value);
		return -EINVAL;
	}
	return append_copy(&options->field_selector, value);
}

static int set_kubeconfig(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	if (!*value) {
		kev_error_set(error, "-o %s=: a path is missing", row->name);
		return -EINVAL;
	}
	return kev_option_copy(&options->kubeconfig, value);
}

static int set_sync_timeout(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	uint64_t number = 0;
	int r = set_number(row, value, SYNC_TIMEOUT_MAX, &number, error);

	if (r)
		return r;
	if (number == 0) {
		kev_error_set(error, "-o %s=0: at least one second", row->name);
		return -EINVAL;
	}
	options->sync_timeout = (unsigned)number;
	return 0;
}

/* A relative directory would be anybody's: kevfs leaves the one that it was started in. */
static bool is_path_list(const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ":");

		if (*list != '/')
			return false;
		list += len;
		if (*list && !*++list)
			return false;
	}
	return true;
}

static int set_exec_path(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	if (!*value || !is_path_list(value)) {
		kev_error_set(error, "-o %s=%s: not a list of absolute directories such as /opt/bin:/usr/bin",
			row->name, value);
		return -EINVAL;
	}
	return kev_option_copy(&options->exec_path, value);
}

static int set_exec_timeout(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	uint64_t number = 0;
	int r = set_number(row, value, EXEC_TIMEOUT_MAX, &number, error);

	if (!r && number == 0) {
		kev_error_set(error, "-o %s=0: at least one second", row->name);
		r = -EINVAL;
	}
	if (!r)
		options->exec_timeout = (unsigned)number;
	return r;
}

static int set_max_watches(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	uint64_t number = 0;
	int r = set_number(row, value, MAX_WATCHES_LIMIT, &number, error);

	if (r)
		return r;
	if (number == 0) {
		kev_error_set(error, "-o %s=0: at least one", row->name);
		return -EINVAL;
	}
	options->max_watches = (unsigned)number;
	return 0;
}

static int set_delay_sync(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	(void)row, (void)value, (void)error;
	options->delay_sync = true;
	return 0;
}

static int set_replay(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	uint64_t speed = 0;

	if (kev_num_parse_decimal(kev_str_c(value), REPLAY_PLACES,
		    (uint64_t)REPLAY_MAX * KEV_OPTIONS_REPLAY_ONE, &speed) != 0 ||
		speed == 0) {
		kev_error_set(error, "-o %s=%s: not a speed such as 1, 10 or 0.5, up to %d", row->name, value,
			REPLAY_MAX);
		return -EINVAL;
	}
	options->replay = speed;
	return 0;
}

/* A unit, and what it is one of. */
struct unit {
	uint64_t factor, max; /* max: of the number before it */
	enum { UNIT_AGE, UNIT_BYTES, UNIT_COUNT } what;
	char letter;
};

static const struct unit units[] = {
	{KEV_NS_PER_SEC, 3153600000, UNIT_AGE, 's'}, /* a hundred years */
	{60 * KEV_NS_PER_SEC, 52560000, UNIT_AGE, 'm'},
	{3600 * KEV_NS_PER_SEC, 876000, UNIT_AGE, 'h'},
	{86400 * KEV_NS_PER_SEC, 36500, UNIT_AGE, 'd'},
	{1ULL << 10, 1ULL << 40, UNIT_BYTES, 'K'},
	{1ULL << 20, 1ULL << 30, UNIT_BYTES, 'M'},
	{1ULL << 30, 1ULL << 20, UNIT_BYTES, 'G'},
	{1ULL << 40, 1ULL << 10, UNIT_BYTES, 'T'},
};

static const struct unit *find_unit(char letter)
{
	for (size_t i = 0; i < KEV_ARRAY_LEN(units); i++) {
		if (units[i].letter == letter)
			return &units[i];
	}
	return NULL;
}

/* A number, and the letter of a unit, or none: then it is as plain has it. @return -EINVAL or -ERANGE */
static int parse_amount(
	const char *value, const struct unit *plain, const struct unit **unit, uint64_t *number)
{
	struct kev_str digits = kev_str_c(value);
	const struct unit *found = digits.len ? find_unit(value[digits.len - 1]) : NULL;

	if (found)
		digits.len--;
	*unit = found ? found : plain;
	return kev_num_parse_u64(digits, (*unit)->max, number);
}

/* Each kind of limit has a place of its own: all hold. */
static int set_retain(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	static const struct unit plain = {1, 1000000000, UNIT_COUNT, '\0'};
	const struct unit *unit;
	uint64_t number = 0;

	if (parse_amount(value, &plain, &unit, &number) != 0 || number == 0) {
		kev_error_set(error,
			"-o %s=%s: not a time such as 24h or 7d, a size such as 500M, or a number of events",
			row->name, value);
		return -EINVAL;
	}
	if (unit->what == UNIT_AGE)
		options->retain.age = (int64_t)(number * unit->factor);
	else if (unit->what == UNIT_BYTES)
		options->retain.bytes = number * unit->factor;
	else
		options->retain.count = number;
	return 0;
}

static int set_max_events(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	uint64_t number = 0;

	if (kev_num_parse_u64(kev_str_c(value), EVENTS_LIMIT, &number) != 0 || number == 0) {
		kev_error_set(error, "-o %s=%s: not a number from 1 to %d", row->name, value, EVENTS_LIMIT);
		return -EINVAL;
	}
	options->bounds.count = number;
	return 0;
}

static int set_max_bytes(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	static const struct unit plain = {1, BYTES_LIMIT, UNIT_BYTES, '\0'};
	const struct unit *unit;
	uint64_t number = 0;

	if (parse_amount(value, &plain, &unit, &number) != 0 || unit->what != UNIT_BYTES || number == 0) {
		kev_error_set(
			error, "-o %s=%s: not a size such as 500000, 512K, 64M or 1G", row->name, value);
		return -EINVAL;
	}
	options->bounds.bytes = number * unit->factor;
	return 0;
}

static int set_log_max(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	static const struct unit plain = {1, LOG_LIMIT, UNIT_BYTES, '\0'};
	const struct unit *unit;
	uint64_t number = 0;

	if (parse_amount(value, &plain, &unit, &number) != 0 || unit->what != UNIT_BYTES) {
		kev_error_set(
			error, "-o %s=%s: not a size such as 65536, 512K, 64M or 1G, or 0", row->name, value);
		return -EINVAL;
	}
	options->log_max = number * unit->factor;
	return 0;
}

static int set_state(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	if (!*value) {
		kev_error_set(error, "-o %s=: a directory is missing", row->name);
		return -EINVAL;
	}
	return kev_option_copy(&options->state, value);
}

static int set_log_level(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	if (kev_log_parse_level(value, &options->log_level) == 0)
		return 0;
	kev_error_set(error, "-o %s=%s: not one of error, warning, info, debug", row->name, value);
	return -EINVAL;
}

static int set_uid(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	uint64_t number = 0;
	/* (uid_t)-1 means "no change" to chown and is nobody's. */
	int r = set_number(row, value, UINT32_MAX - 1, &number, error);

	if (!r)
		options->uid = (uid_t)number;
	return r;
}

static int set_gid(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	uint64_t number = 0;
	int r = set_number(row, value, UINT32_MAX - 1, &number, error);

	if (!r)
		options->gid = (gid_t)number;
	return r;
}

static int set_xattr(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	(void)row, (void)value, (void)error;
	options->xattr = true;
	return 0;
}

static int set_umask(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	uint64_t number = 0;

	if (kev_num_parse_octal(kev_str_c(value), 0777, &number) != 0) {
		kev_error_set(error, "-o %s=%s: not an octal mask from 0 to 777", row->name, value);
		return -EINVAL;
	}
	options->umask = (mode_t)number;
	return 0;
}

/* For libfuse and the kernel, with what libfuse would split escaped again; and in quotes where the kernel
 * would split it: an SELinux context with categories. */
static int pass_on(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	const char *quote = value && strchr(value, ',') ? "\"" : "";

	(void)error;
	kev_buf_init(&text, KEV_OPTION_LIST_MAX);
	kev_buf_append_c(&text, row->name);
	if (value)
		kev_buf_printf(&text, "=%s", quote);
	for (; value && *value; value++) {
		if (*value == ',' || *value == '\\')
			kev_buf_append_char(&text, '\\');
		kev_buf_append_char(&text, *value);
	}
	kev_buf_append_c(&text, quote);
	if (!kev_buf_cstr(&text) || text.error)
		return -ENOMEM;
	return append_copy(&options->mount_options, text.data);
}

/* Not for libfuse: its fusermount3 tells that the process is gone by whether the root can be opened, which
 * the kernel does by itself. */
static int set_auto_unmount(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	(void)row, (void)value, (void)error;
	options->auto_unmount = true;
	return 0;
}

static int ignore(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	(void)options, (void)row, (void)value, (void)error;
	return 0;
}

static int set_ro(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	(void)value, (void)error;
	options->ro = strcmp(row->name, "ro") == 0;
	return 0;
}

static int set_default_permissions(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	(void)row, (void)value, (void)error;
	options->default_permissions = true;
	return 0;
}

static int set_mtime(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	options->mtime_last = strcmp(value, "last") == 0;
	if (options->mtime_last || strcmp(value, "name") == 0)
		return 0;
	kev_error_set(error, "-o %s=%s: not name or last", row->name, value);
	return -EINVAL;
}

static int refuse_remount(
	struct kev_options *options, const struct kev_option *row, const char *value, struct kev_error *error)
{
	(void)options, (void)value;
	kev_error_set(
		error, "-o %s: a mounted kevfs cannot be changed; unmount it and mount it anew", row->name);
	return -EINVAL;
}

const struct kev_option kev_option_rows[] = {
	{"namespace", "NS", set_namespace, "show only this namespace; repeat it for more"},
	{"field_selector", "SEL", set_field_selector,
		"show only events that match, e.g. type=Warning; repeated: all of them"},
	{"kubeconfig", "PATH", set_kubeconfig, "read this kubeconfig only"},
	{"exec_path", "DIRS", set_exec_path, "where exec plugins are looked for, in place of PATH"},
	{"exec_timeout", "SECONDS", set_exec_timeout, "give up an exec plugin after that long (60)"},
	{"sync_timeout", "SECONDS", set_sync_timeout, "give up when the server is silent this long (30)"},
	{"max_watches", "N", set_max_watches,
		"watch so many namespaces at most, where all at once is forbidden (250)"},
	{"delay_sync", NULL, set_delay_sync, "mount at once; requests wait for the first sync"},
	{"replay", "SPEED", set_replay, "play a recording: 1 as it happened, 10 ten times as fast"},
	{"log_max", "SIZE", set_log_max, "rotate the logs after that much, 0: no logs (64M)"},
	{"retain", "LIMIT", set_retain,
		"keep what the server no longer has: 24h, 7d, 500M, 1000 events; repeated: all hold"},
	{"max_events", "N", set_max_events, "show only the newest N events"},
	{"max_bytes", "SIZE", set_max_bytes, "show only the newest events, of that size together"},
	{"state", "DIR", set_state, "keep it, and every revision, in DIR; the next mount shows it at once"},
	{"log_level", "LEVEL", set_log_level, "error, warning (the default), info or debug"},
	{"mtime", "name|last", set_mtime, "mtime of a file: when it first happened, or last (name)"},
	{"uid", "N", set_uid, "owner of all files (who mounts)"},
	{"gid", "N", set_gid, "group of all files (who mounts)"},
	{"umask", "OCTAL", set_umask, "permissions to take away from 0444 and 0555 (0)"},
	{"xattr", NULL, set_xattr, "give events' files extended attributes, user.kevfs.*"},
	{"auto_unmount", NULL, set_auto_unmount, "unmount when the process has ended, however it did"},
	{"allow_other", NULL, pass_on, "let other users in, as the permissions say"},
	{"context", "CONTEXT", pass_on, "SELinux context of all files"},

	{"fscontext", "CONTEXT", pass_on, NULL},
	{"defcontext", "CONTEXT", pass_on, NULL},
	{"rootcontext", "CONTEXT", pass_on, NULL},
	{"noexec", NULL, pass_on, NULL},
	{"remount", NULL, refuse_remount, NULL},
	/* What mount(8), fstab and mount.fuse(8) bring along. The mount is always ro, nosuid, nodev and
	   default_permissions. */
	{"ro", NULL, set_ro, NULL},
	{"rw", NULL, set_ro, NULL},
	{"suid", NULL, ignore, NULL},
	{"nosuid", NULL, ignore, NULL},
	{"dev", NULL, ignore, NULL},
	{"nodev", NULL, ignore, NULL},
	{"exec", NULL, ignore, NULL},
	{"sync", NULL, ignore, NULL},
	{"async", NULL, ignore, NULL},
	{"dirsync", NULL, ignore, NULL},
	{"atime", NULL, ignore, NULL},
	{"noatime", NULL, ignore, NULL},
	{"diratime", NULL, ignore, NULL},
	{"nodiratime", NULL, ignore, NULL},
	{"relatime", NULL, ignore, NULL},
	{"norelatime", NULL, ignore, NULL},
	{"strictatime", NULL, ignore, NULL},
	{"nostrictatime", NULL, ignore, NULL},
	{"lazytime", NULL, ignore, NULL},
	{"nolazytime", NULL, ignore, NULL},
	{"symfollow", NULL, ignore, NULL},
	{"mand", NULL, ignore, NULL},
	{"nomand", NULL, ignore, NULL},
	{"iversion", NULL, ignore, NULL},
	{"noiversion", NULL, ignore, NULL},
	{"silent", NULL, ignore, NULL},
	{"loud", NULL, ignore, NULL},
	{"defaults", NULL, ignore, NULL},
	{"default_permissions", NULL, set_default_permissions, NULL},
	{"auto", NULL, ignore, NULL},
	{"noauto", NULL, ignore, NULL},
	{"user", NULL, ignore, NULL},
	{"user", "NAME", ignore, NULL},
	{"nouser", NULL, ignore, NULL},
	{"users", NULL, ignore, NULL},
	{"nousers", NULL, ignore, NULL},
	{"owner", NULL, ignore, NULL},
	{"noowner", NULL, ignore, NULL},
	{"group", NULL, ignore, NULL},
	{"nogroup", NULL, ignore, NULL},
	{"_netdev", NULL, ignore, NULL},
	{"nofail", NULL, ignore, NULL},
	{"comment", "TEXT", ignore, NULL},
	{"fsname", "NAME", ignore, NULL},
	{"subtype", "NAME", ignore, NULL},
	{"helper", "NAME", ignore, NULL},
	{"uhelper", "NAME", ignore, NULL},
};

const size_t kev_option_count = KEV_ARRAY_LEN(kev_option_rows);
