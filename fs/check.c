#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_run.h"
#include "options.h"
#include "resolve.h"

#include "kevfs/base/log.h"
#include "kevfs/cluster/plugin_config.h"

/* A clock that is further off makes ages wrong, and certificates and tokens seem to have ended. */
#define SKEW_NOTED (5 * KEV_NS_PER_SEC)

bool kev_check_is_meant(int argc, char *const *argv)
{
	struct stat st;

	if (argc < 2 || strcmp(argv[1], "check") != 0)
		return false;
	/* mount.fuse(8) says "kevfs SOURCE MOUNTPOINT -o …", the mountpoint absolute. */
	if (argc < 3 || argv[2][0] != '/')
		return true;
	if (strncmp(argv[2], "/dev/fd/", 8) == 0)
		return false;
	return stat(argv[2], &st) < 0 ? errno != ENOTCONN : !S_ISDIR(st.st_mode);
}

/* ---- where the events come from ---- */

/* What is read by a thread that may hang in it: a kubeconfig can be on a server that is gone. */
struct resolving {
	const struct kev_options *options; /* never freed before the end */
	struct kev_cluster_config *cluster;
	char *dump;
	struct kev_error why;
};

static int resolve(void *context)
{
	struct resolving *resolving = context;

	return kev_resolve_source(resolving->options, &resolving->cluster, &resolving->dump, &resolving->why);
}

static void report_source(struct kev_check *check)
{
	const struct kev_cluster_config *cluster = check->cluster;

	if (strcmp(cluster->source, cluster->server) == 0)
		kev_check_ok(&check->report, "source", "%s", cluster->server);
	else
		kev_check_ok(&check->report, "source", "%s: %s", cluster->source, cluster->server);
}

/* What runs the source's exec plugin, which has no more time than all of the check. */
static int start_helper(struct kev_check *check)
{
	struct kev_error error = {""};
	int r = kev_resolve_helper(check->options, check->cluster, NULL, &check->helper, &error);

	if (r)
		kev_check_fail(&check->report, KEV_CHECK_INTERNAL, "plugin", NULL, "%s", error.text);
	else if (check->helper && check->options->exec_timeout > check->options->sync_timeout)
		check->cluster->plugin->timeout = (int)check->options->sync_timeout;
	return r;
}

/* @return whether it is known */
static bool find_source(struct kev_check *check)
{
	struct resolving *resolving = calloc(1, sizeof(*resolving));
	bool file = strncmp(check->options->source, "file:", 5) == 0;
	int r;

	if (resolving)
		resolving->options = check->options;
	r = resolving ? kev_check_bounded(check, KEV_CHECK_STEP, resolve, resolving) : -ENOMEM;
	if (r == -ENOMEM)
		kev_check_fail(&check->report, KEV_CHECK_INTERNAL, "memory", NULL, "%s", strerror(ENOMEM));
	else if (r == -ETIMEDOUT)
		kev_check_fail(&check->report, file ? KEV_CHECK_FILE : KEV_CHECK_CONFIG,
			file ? "file" : "source", "is it on a filesystem whose server is gone?",
			"%s: it does not answer", check->options->source);
	else if (r)
		kev_check_fail(&check->report, file ? KEV_CHECK_FILE : KEV_CHECK_CONFIG,
			file ? "file" : "source", NULL, "%s", resolving->why.text);
	if (r == -ETIMEDOUT)
		return false;
	if (!r) {
		check->cluster = resolving->cluster;
		check->dump = resolving->dump;
		r = start_helper(check);
	}
	free(resolving);
	return !r;
}

/* ---- all of it ---- */

static void report_skew(struct kev_check *check)
{
	const struct kev_check_skew *skew = &check->asker.skew;
	int64_t least = kev_check_skew_least(skew);
	char span[KEV_CHECK_TIME_SIZE];

	if (!skew->known)
		return;
	if (least > SKEW_NOTED || least < -SKEW_NOTED)
		kev_check_warn(&check->report, "clock", "set the clock that is wrong (NTP)",
			"the server's is at least %s %s of ours", kev_check_span(llabs(least), span),
			least > 0 ? "ahead" : "behind");
	else
		kev_check_ok(&check->report, "clock", "the server's and ours agree, within seconds");
}

static void check_cluster(struct kev_check *check)
{
	report_source(check);
	check->asker = (struct kev_check_asker){.clock = check->clock, .deadline = check->deadline};
	if (kev_check_server(check))
		kev_check_rights(check);
	report_skew(check);
	kev_http_destroy(check->asker.http);
	check->asker.http = NULL;
}

static void check_all(struct kev_check *check)
{
	if (!find_source(check))
		return;
	if (check->cluster)
		check_cluster(check);
	else
		kev_check_file(check);
}

static int run(const struct kev_options *options, FILE *out)
{
	struct kev_check check = {.options = options, .clock = kev_clock_system()};

	check.deadline = kev_clock_monotonic(check.clock) + (int64_t)options->sync_timeout * KEV_NS_PER_SEC;
	kev_check_report_init(&check.report, out, options->json);
	check_all(&check);
	kev_check_local(&check);
	/* What is abandoned may still use anything. */
	if (check.abandoned)
		_exit(check.report.exit);
	kev_cluster_config_destroy(check.cluster);
	kev_helper_destroy(check.helper);
	free(check.dump);
	return check.report.exit;
}

static void print_help(FILE *out)
{
	fputs("usage: kevfs check [options] SOURCE [MOUNTPOINT]\n"
	      "\n"
	      "Tells whether SOURCE can be mounted: a line for each thing that must be right,\n"
	      "and what to do where one is not. It mounts nothing, and writes nothing.\n"
	      "\n"
	      "  -o OPTIONS         those of the mount; sync_timeout= bounds all of it\n"
	      "  --json             a JSON object a line, for programs\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      the version\n"
	      "\n"
	      "Exit status: 0 if nothing failed (warnings do not count), else what did first:\n"
	      "  1 command line    4 connection   7 credential      10 the file (file:PATH)\n"
	      "  2 configuration   5 TLS          8 permission      11 kevfs itself (memory)\n"
	      "  3 name (DNS)      6 API server   9 this machine\n"
	      "\n"
	      "A context that is called check is mounted with: kevfs -- check MOUNTPOINT.\n"
	      "More: man 8 kevfs-check\n",
		out);
}

int kev_check_main(int argc, char **argv, FILE *out)
{
	struct kev_options options;
	struct kev_error error = {""};
	int r = kev_options_parse_check(&options, argc, argv, &error), code = KEV_CHECK_FINE;

	if (r) {
		kev_log_error("%s", error.text[0] ? error.text : strerror(-r));
		code = r == -ENOMEM ? KEV_CHECK_INTERNAL : KEV_CHECK_USAGE;
	} else if (options.help) {
		print_help(out);
	} else if (options.version) {
		fprintf(out, "kevfs %s\n", KEVFS_VERSION);
	} else {
		/* What goes wrong stands in a line; what the rooms would log about it is the same. */
		kev_log_set_level(options.log_level == KEV_LOG_DEBUG ? KEV_LOG_DEBUG : KEV_LOG_ERROR);
		code = run(&options, out);
	}
	kev_options_fini(&options);
	return code;
}
