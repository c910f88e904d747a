#include "kevfs/cluster/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/file.h"

/* Of standard error, the end is kept: its last line is what mostly says why. */
#define SAID_MAX 8192
#define SAID_KEPT 2048
#define SHOWN_MAX 300

/* At once, so that a plugin that prints for ever leaves time for what else is to be done. */
#define PIECE_MAX 65536
/* What pipes can hold in the end. Whoever the plugin has left behind may go on writing. */
#define PIECES_MAX 32

struct kev_plugin {
	const struct kev_plugin_config *config;
	struct kev_helper *helper;
	const struct kev_clock *clock;
	bool running;
	bool killed; /* the end of the last run is still to be told by the helper */
	int64_t deadline;
	int output, errors; /* pipes; -1: ended */
	struct kev_buf printed, said;
};

struct kev_plugin *kev_plugin_create(
	const struct kev_plugin_config *config, struct kev_helper *helper, const struct kev_clock *clock)
{
	struct kev_plugin *plugin = calloc(1, sizeof(*plugin));

	if (!plugin)
		return NULL;
	plugin->config = config;
	plugin->helper = helper;
	plugin->clock = clock;
	plugin->output = plugin->errors = -1;
	kev_buf_init(&plugin->printed, KEV_PLUGIN_OUTPUT_MAX + 1);
	kev_buf_init(&plugin->said, SAID_MAX);
	return plugin;
}

static void close_pipe(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void end(struct kev_plugin *plugin)
{
	plugin->running = false;
	close_pipe(&plugin->output);
	close_pipe(&plugin->errors);
	kev_buf_wipe(&plugin->printed);
	kev_buf_wipe(&plugin->said);
}

static void kill_run(struct kev_plugin *plugin)
{
	kev_helper_kill(plugin->helper);
	plugin->killed = true;
}

void kev_plugin_destroy(struct kev_plugin *plugin)
{
	if (!plugin)
		return;
	if (plugin->running)
		kill_run(plugin);
	end(plugin);
	free(plugin);
}

/* Put the plugin's name before what the error says. */
static int blame(const struct kev_plugin *plugin, struct kev_error *error)
{
	kev_error_prefix(error, "exec plugin %s", kev_file_shown(plugin->config->name));
	return -EACCES;
}

static int fail(const struct kev_plugin *plugin, const char *what, struct kev_error *error)
{
	kev_error_set(error, "%s", what);
	return blame(plugin, error);
}

/* ---- beginning ---- */

static int open_pipe(int *ours, int *theirs)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	/* Of ours only: theirs is a program's standard output. */
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		r = -errno;
		close(ends[0]);
		close(ends[1]);
		return r;
	}
	*ours = ends[0];
	*theirs = ends[1];
	return 0;
}

static int launch(struct kev_plugin *plugin)
{
	int output = -1, errors = -1, r;

	r = open_pipe(&plugin->output, &output);
	if (!r)
		r = open_pipe(&plugin->errors, &errors);
	if (!r)
		r = kev_helper_run(plugin->helper, output, errors);
	close_pipe(&output);
	close_pipe(&errors);
	return r;
}

/* Has the run ended that was killed? */
static bool is_free(struct kev_plugin *plugin)
{
	struct kev_helper_result result;

	if (plugin->killed && kev_helper_take(plugin->helper, &result) != -EAGAIN)
		plugin->killed = false;
	return !plugin->killed;
}

int kev_plugin_start(struct kev_plugin *plugin, struct kev_error *error)
{
	int r;

	if (!plugin->helper)
		return fail(plugin, "there is no process to run it", error);
	if (plugin->running || !is_free(plugin))
		return fail(plugin, "its last run has not ended", error);
	/* All of it, as a reallocation would leave a copy behind. */
	r = kev_buf_reserve(&plugin->printed, KEV_PLUGIN_OUTPUT_MAX + 1);
	if (!r)
		r = kev_buf_reserve(&plugin->said, SAID_MAX);
	if (!r)
		r = launch(plugin);
	if (r) {
		end(plugin);
		return r == -ENOMEM ? r
				    : fail(plugin,
					      r == -EPIPE ? "the process that runs it has ended: mount anew"
							  : strerror(-r),
					      error);
	}
	plugin->running = true;
	plugin->deadline = kev_clock_monotonic(plugin->clock) + plugin->config->timeout * KEV_NS_PER_SEC;
	return 0;
}

size_t kev_plugin_descriptors(const struct kev_plugin *plugin, int fds[KEV_PLUGIN_DESCRIPTORS])
{
	size_t count = 0;

	if (!plugin->running)
		return 0;
	if (plugin->output >= 0)
		fds[count++] = plugin->output;
	if (plugin->errors >= 0)
		fds[count++] = plugin->errors;
	fds[count++] = kev_helper_descriptor(plugin->helper);
	return count;
}

int64_t kev_plugin_deadline(const struct kev_plugin *plugin)
{
	return plugin->running ? plugin->deadline : INT64_MAX;
}

/* ---- its end ---- */

/* Take what is there, up to the buffer's cap. @return how much came */
static size_t take(int *fd, struct kev_buf *out)
{
	size_t most = out->max - out->len;
	ssize_t n;

	if (*fd < 0 || most == 0)
		return 0;
	do
		n = read(*fd, out->data + out->len, most < PIECE_MAX ? most : PIECE_MAX);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		out->len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		close_pipe(fd);
	return n > 0 ? (size_t)n : 0;
}

static size_t take_both(struct kev_plugin *plugin)
{
	if (plugin->said.len == plugin->said.max)
		kev_buf_consume(&plugin->said, plugin->said.len - SAID_KEPT);
	return take(&plugin->output, &plugin->printed) + take(&plugin->errors, &plugin->said);
}

static struct kev_str last_line(struct kev_str said)
{
	said = kev_file_trim(said);
	for (size_t i = said.len; i > 0; i--) {
		if (said.data[i - 1] == '\n' || said.data[i - 1] == '\r') {
			said = (struct kev_str){said.data + i, said.len - i};
			break;
		}
	}
	said = kev_file_trim(said);
	if (said.len > SHOWN_MAX)
		said.len = SHOWN_MAX;
	return said;
}

/* Put behind what the error says what the plugin said last. */
static int explain(const struct kev_plugin *plugin, struct kev_error *error)
{
	struct kev_str line = last_line(kev_buf_str(&plugin->said));
	struct kev_error what = *error;

	if (line.len)
		kev_error_set(error, "%s: %.*s", what.text, (int)line.len, line.data);
	return blame(plugin, error);
}

/* Nothing was run. */
static int explain_missing(const struct kev_plugin *plugin, int why, struct kev_error *error)
{
	const char *hint = plugin->config->install_hint;
	struct kev_str line = hint ? kev_file_trim(kev_str_c(hint)) : KEV_STR("");

	if (line.len > SHOWN_MAX)
		line.len = SHOWN_MAX;
	if (why != ENOENT)
		kev_error_set(error, "cannot be run: %s", strerror(why));
	else
		kev_error_set(error, "there is no such command%s%s%.*s",
			strchr(plugin->config->argv[0], '/') ? "" : " in PATH (or -o exec_path=)",
			line.len ? "; its hint: " : "", (int)line.len, line.len ? line.data : "");
	return blame(plugin, error);
}

static int judge(const struct kev_plugin *plugin, const struct kev_helper_result *result,
	struct kev_plugin_credential *out, struct kev_error *error)
{
	int r;

	if (result->end == KEV_HELPER_NOT_RUN)
		return explain_missing(plugin, result->value, error);
	if (result->end == KEV_HELPER_KILLED) {
		kev_error_set(error, "was ended by signal %d (%s)", result->value, strsignal(result->value));
		return explain(plugin, error);
	}
	if (result->value) {
		kev_error_set(error, "ends with status %d", result->value);
		return explain(plugin, error);
	}
	r = kev_plugin_credential_parse(
		kev_buf_str(&plugin->printed), plugin->config->api_version, out, error);
	return r == -EINVAL ? explain(plugin, error) : r;
}

static int give_up(struct kev_plugin *plugin, struct kev_error *error)
{
	int r;

	kill_run(plugin);
	r = explain(plugin, error);
	end(plugin);
	return r;
}

int kev_plugin_look(struct kev_plugin *plugin, struct kev_plugin_credential *out, struct kev_error *error)
{
	struct kev_helper_result result;
	size_t came = 1;
	int r;

	if (!plugin->running)
		return -EAGAIN;
	/* The end first: what was printed before it is there then. */
	r = kev_helper_take(plugin->helper, &result);
	for (int i = 0; i < (r ? 1 : PIECES_MAX) && came > 0; i++)
		came = take_both(plugin);
	if (plugin->printed.len > KEV_PLUGIN_OUTPUT_MAX) {
		kev_error_set(error, "prints more than %u bytes", KEV_PLUGIN_OUTPUT_MAX);
		if (r == -EAGAIN)
			return give_up(plugin, error);
		r = explain(plugin, error);
	} else if (r == 0) {
		r = judge(plugin, &result, out, error);
	} else if (r == -EPIPE) {
		r = fail(plugin, "the process that runs it has ended: mount anew", error);
	} else if (kev_clock_monotonic(plugin->clock) >= plugin->deadline) {
		kev_error_set(error, "does not end within %d s (exec_timeout)", plugin->config->timeout);
		return give_up(plugin, error);
	} else {
		return -EAGAIN;
	}
	end(plugin);
	return r;
}
