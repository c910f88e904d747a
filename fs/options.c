#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kevfs/base/buf.h"
#include "kevfs/base/num.h"

#define SYNC_TIMEOUT 30
#define SYNC_TIMEOUT_MAX 86400

#define EXEC_TIMEOUT 60
#define EXEC_TIMEOUT_MAX 3600
/* More namespaces than an API server should be asked to watch for one client: each costs it more than many
 * readers. */
#define MAX_WATCHES 250
#define MAX_WATCHES_LIMIT 100000

/* What the logs may hold, two of each: a busy cluster's half hour. */
#define LOG_MAX (64ULL << 20)
#define LOG_LIMIT (1ULL << 50)

/* What may be kept of Events. */
#define EVENTS_LIMIT 1000000000
#define BYTES_LIMIT (1ULL << 50)

/* Digits behind the point of a replay's speed, and the highest speed. */
#define REPLAY_PLACES 6
#define REPLAY_MAX 1000000

/* All -o strings together; the kernel takes a page. */
#define OPTIONS_MAX 65536

/* One -o option: how it is parsed and what --help says of it. A test holds the man page against this table.
 */
struct row {
	const char *name;
	const char *value; /* what stands behind '=', in words; NULL: a flag */
	/* value is NULL for a flag */
	int (*set)(struct kev_options *options, const struct row *row, const char *value,
		struct kev_error *error);
	const char *help; /* NULL: accepted, but not worth a line */
};

static int append_copy(char **joined, const char *text)
{
	char *all = NULL;

	if (asprintf(&all, "%s%s%s", *joined ? *joined : "", *joined ? "," : "", text) < 0)
		return -ENOMEM;
	free(*joined);
	*joined = all;
	return 0;
}

static int set_string(char **out, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*out);
	*out = copy;
	return 0;
}

static int set_number(
	const struct row *row, const char *value, uint64_t max, uint64_t *out, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	if (!*value) {
		kev_error_set(error, "-o %s=: a path is missing", row->name);
		return -EINVAL;
	}
	return set_string(&options->kubeconfig, value);
}

static int set_sync_timeout(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	if (!*value || !is_path_list(value)) {
		kev_error_set(error, "-o %s=%s: not a list of absolute directories such as /opt/bin:/usr/bin",
			row->name, value);
		return -EINVAL;
	}
	return set_string(&options->exec_path, value);
}

static int set_exec_timeout(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	(void)row, (void)value, (void)error;
	options->delay_sync = true;
	return 0;
}

static int set_replay(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	if (!*value) {
		kev_error_set(error, "-o %s=: a directory is missing", row->name);
		return -EINVAL;
	}
	return set_string(&options->state, value);
}

static int set_log_level(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	if (kev_log_parse_level(value, &options->log_level) == 0)
		return 0;
	kev_error_set(error, "-o %s=%s: not one of error, warning, info, debug", row->name, value);
	return -EINVAL;
}

static int set_uid(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	uint64_t number = 0;
	/* (uid_t)-1 means "no change" to chown and is nobody's. */
	int r = set_number(row, value, UINT32_MAX - 1, &number, error);

	if (!r)
		options->uid = (uid_t)number;
	return r;
}

static int set_gid(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	uint64_t number = 0;
	int r = set_number(row, value, UINT32_MAX - 1, &number, error);

	if (!r)
		options->gid = (gid_t)number;
	return r;
}

static int set_xattr(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	(void)row, (void)value, (void)error;
	options->xattr = true;
	return 0;
}

static int set_umask(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
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
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	const char *quote = value && strchr(value, ',') ? "\"" : "";

	(void)error;
	kev_buf_init(&text, OPTIONS_MAX);
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

/* libfuse leaves it to fusermount3, which looks after the process. */
static int set_auto_unmount(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	if (options->auto_unmount)
		return 0;
	options->auto_unmount = true;
	return pass_on(options, row, value, error);
}

static int set_allow_other(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	options->allow_other = true;
	return pass_on(options, row, value, error);
}

static int ignore(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	(void)options, (void)row, (void)value, (void)error;
	return 0;
}

static int set_ro(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	(void)value, (void)error;
	options->ro = strcmp(row->name, "ro") == 0;
	return 0;
}

static int set_default_permissions(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	(void)row, (void)value, (void)error;
	options->default_permissions = true;
	return 0;
}

static int set_mtime(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	options->mtime_last = strcmp(value, "last") == 0;
	if (options->mtime_last || strcmp(value, "name") == 0)
		return 0;
	kev_error_set(error, "-o %s=%s: not name or last", row->name, value);
	return -EINVAL;
}

static int refuse_remount(
	struct kev_options *options, const struct row *row, const char *value, struct kev_error *error)
{
	(void)options, (void)value;
	kev_error_set(
		error, "-o %s: a mounted kevfs cannot be changed; unmount it and mount it anew", row->name);
	return -EINVAL;
}

static const struct row rows[] = {
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
	{"allow_other", NULL, set_allow_other, "let other users in, as the permissions say"},
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

static const struct row *find_row(const char *name, size_t len, bool has_value)
{
	for (size_t i = 0; i < KEV_ARRAY_LEN(rows); i++) {
		if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0 &&
			(rows[i].value != NULL) == has_value)
			return &rows[i];
	}
	return NULL;
}

static int set_option(struct kev_options *options, const char *text, struct kev_error *error)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	const struct row *row = find_row(text, len, equals != NULL);

	if (row)
		return row->set(options, row, equals ? equals + 1 : NULL, error);
	/* fstab's comments for other programs. */
	if (strncmp(text, "x-", 2) == 0 || strncmp(text, "X-", 2) == 0)
		return 0;
	row = find_row(text, len, equals == NULL);
	if (row && row->value)
		kev_error_set(
			error, "-o %.*s needs a value: -o %s=%s", (int)len, text, row->name, row->value);
	else if (row)
		kev_error_set(error, "-o %s takes no value", row->name);
	else
		kev_error_set(error, "unknown option -o %s; kevfs --help lists them%s", text,
			options->field_selector || options->namespaces
				? " (a comma in a value is written \\,)"
				: "");
	return -EINVAL;
}

/* Is this a quote that mount(8) keeps a value's commas together with? It begins the value, or ends it. */
static bool is_quote(const struct kev_buf *text, const char *at, bool quoted)
{
	if (*at != '"')
		return false;
	if (quoted)
		return at[1] == ',' || at[1] == '\0';
	return text->len && memchr(text->data, '=', text->len) == text->data + text->len - 1;
}

/* Take one option out of a list, up to a comma that no backslash escapes and that is not in quotes. "\," is a
 * comma and "\\" a backslash; any other backslash stays, since field selectors have escapes of their own. */
static int take_option(const char **list, struct kev_buf *text, struct kev_error *error)
{
	const char *at = *list;
	bool quoted = false;

	kev_buf_clear(text);
	for (; *at && (quoted || *at != ','); at++) {
		if (is_quote(text, at, quoted)) {
			quoted = !quoted;
			continue;
		}
		if (*at == '\\' && (at[1] == ',' || at[1] == '\\'))
			at++;
		kev_buf_append_char(text, *at);
	}
	*list = at;
	if (text->error == -EMSGSIZE) {
		kev_error_set(error, "-o: over %d bytes of options", OPTIONS_MAX);
		return -EINVAL;
	}
	if (!kev_buf_cstr(text) || text->error)
		return -ENOMEM;
	if (!quoted)
		return 0;
	kev_error_set(error, "-o %s: the closing quote is missing", text->data);
	return -EINVAL;
}

static int set_option_list(struct kev_options *options, const char *list, struct kev_error *error)
{
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	int r;

	kev_buf_init(&text, OPTIONS_MAX);
	for (;; list++) {
		r = take_option(&list, &text, error);
		if (!r && text.len)
			r = set_option(options, text.data, error);
		if (r || !*list)
			return r;
	}
}

static int count_operands(
	const struct kev_options *options, int argc, char *const *argv, struct kev_error *error)
{
	if (options->check && (argc < 1 || argc > 2)) {
		kev_error_set(error,
			"%s; usage: kevfs check [options] SOURCE [MOUNTPOINT] (see kevfs check --help)",
			argc == 0 ? "SOURCE is missing" : "too many arguments");
		return -EINVAL;
	}
	if (!options->check && argc != 2) {
		kev_error_set(error, "%s; usage: kevfs [options] SOURCE MOUNTPOINT (see kevfs --help)",
			argc == 0   ? "SOURCE and MOUNTPOINT are missing"
			: argc == 1 ? "MOUNTPOINT is missing"
				    : "too many arguments");
		return -EINVAL;
	}
	if (!*argv[0] || (argc > 1 && !*argv[1])) {
		kev_error_set(error, "an empty %s", *argv[0] ? "MOUNTPOINT" : "SOURCE");
		return -EINVAL;
	}
	return 0;
}

static int take_operands(struct kev_options *options, int argc, char **argv, struct kev_error *error)
{
	int r = count_operands(options, argc, argv, error);

	if (r)
		return r;
	if (options->field_selector && strncmp(argv[0], "file:", 5) == 0) {
		kev_error_set(error,
			"-o field_selector is for API servers, which evaluate it; of %s all is shown (use "
			"grep)",
			argv[0]);
		return -EINVAL;
	}
	if (options->replay && strncmp(argv[0], "file:", 5) != 0) {
		kev_error_set(error, "-o replay plays a recording, file:PATH, and SOURCE is %s", argv[0]);
		return -EINVAL;
	}
	if (options->state && strncmp(argv[0], "file:", 5) == 0) {
		kev_error_set(error, "-o state is for API servers, which forget; %s stays as it is", argv[0]);
		return -EINVAL;
	}
	if (options->auto_unmount && !options->allow_other && geteuid() != 0) {
		kev_error_set(error,
			"-o auto_unmount needs -o allow_other where you are not root: fusermount3 "
			"unmounts as another user, who must be able to see that the mount is dead");
		return -EINVAL;
	}
	if (options->state && !kev_retain_any(&options->retain))
		options->retain.age = KEV_OPTIONS_STATE_AGE;
	if (set_string(&options->source, argv[0]))
		return -ENOMEM;
	return argc > 1 ? set_string(&options->mountpoint, argv[1]) : 0;
}

/* What getopt does not know. In optopt it leaves an unknown letter, also in the midst of others; 0 for an
 * unknown word; and the letter of a word that we know, which takes no value. */
static void refuse_option(const struct kev_options *options, const char *word, struct kev_error *error)
{
	const char *command = options->check ? "kevfs check" : "kevfs";

	if (optopt && !strchr("hVfdj", optopt))
		kev_error_set(error, "unknown option -%c; %s --help lists them", optopt, command);
	else
		kev_error_set(error, "unknown option %s; %s --help lists them", word, command);
}

static int parse(struct kev_options *options, int argc, char **argv, struct kev_error *error)
{
	static const struct option long_options[] = {{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'}, {"foreground", no_argument, NULL, 'f'},
		{"debug", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
	static const struct option check_options[] = {{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	int c, r;

	optind = 0; /* from the beginning, also when called again */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":fdshVo:nrwv", options->check ? check_options : long_options,
			NULL)) != -1) {
		switch (c) {
		case 'j':
			options->json = true;
			break;
		case 'f':
			options->foreground = true;
			break;
		case 'd':
			options->foreground = options->debug = true;
			break;
		case 's':
			options->single_thread = true;
			break;
		case 'h':
			options->help = true;
			return 0;
		case 'V':
			options->version = true;
			return 0;
		case 'o':
			r = set_option_list(options, optarg, error);
			if (r)
				return r;
			break;
		case 'n': /* mount(8) hands these to its helpers */
		case 'r':
		case 'w':
		case 'v':
			break;
		case ':':
			kev_error_set(error, "%s needs a value", argv[optind - 1]);
			return -EINVAL;
		default:
			refuse_option(options, argv[optind - 1], error);
			return -EINVAL;
		}
	}
	return take_operands(options, argc - optind, argv + optind, error);
}

static void set_defaults(struct kev_options *options, bool check)
{
	*options = (struct kev_options){.check = check,
		.sync_timeout = SYNC_TIMEOUT,
		.exec_timeout = EXEC_TIMEOUT,
		.max_watches = MAX_WATCHES,
		.log_max = LOG_MAX,
		.log_level = KEV_LOG_WARNING,
		.uid = getuid(),
		.gid = getgid()};
}

int kev_options_parse(struct kev_options *options, int argc, char **argv, struct kev_error *error)
{
	set_defaults(options, false);
	return parse(options, argc, argv, error);
}

int kev_options_parse_check(struct kev_options *options, int argc, char **argv, struct kev_error *error)
{
	set_defaults(options, true);
	return parse(options, argc, argv, error);
}

void kev_options_fini(struct kev_options *options)
{
	free(options->source);
	free(options->mountpoint);
	for (size_t i = 0; i < options->namespace_count; i++)
		free(options->namespaces[i]);
	free(options->namespaces);
	free(options->field_selector);
	free(options->kubeconfig);
	free(options->state);
	free(options->exec_path);
	free(options->mount_options);
	*options = (struct kev_options){0};
}

void kev_options_print_help(FILE *out)
{
	fputs("usage: kevfs [options] SOURCE MOUNTPOINT\n"
	      "       mount -t fuse.kevfs SOURCE MOUNTPOINT [-o options]\n"
	      "       kevfs check [options] SOURCE    what is wrong, if it does not work\n"
	      "\n"
	      "Shows a cluster's Kubernetes Events as files:\n"
	      "  MOUNTPOINT/<namespace>/<resource>/<object>/events/<event>\n"
	      "\n"
	      "SOURCE is the name of a kubeconfig context, or one of\n"
	      "  -                  the current context\n"
	      "  in-cluster         the pod's service account\n"
	      "  http(s)://HOST...  an API server, anonymously\n"
	      "  file:PATH          the output of: kubectl get events -A -o json\n"
	      "                     or a recording: the same with --watch --output-watch-events\n"
	      "                     or an events.jsonl; also compressed; file:- is standard input\n"
	      "\n"
	      "  -f, --foreground   stay in the foreground, log to stderr\n"
	      "  -d, --debug        the same, and show every request\n"
	      "  -s                 answer with a single thread\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      the version\n",
		out);
	for (size_t i = 0; i < KEV_ARRAY_LEN(rows); i++) {
		char left[64];

		if (!rows[i].help)
			continue;
		snprintf(left, sizeof(left), "%s%s%s", rows[i].name, rows[i].value ? "=" : "",
			rows[i].value ? rows[i].value : "");
		fprintf(out, "  -o %-22s %s\n", left, rows[i].help);
	}
	fputs("\nTo end it: umount MOUNTPOINT, or fusermount3 -u MOUNTPOINT.  More: man 8 kevfs\n", out);
}
