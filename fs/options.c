#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options_table.h"

#include "kevfs/base/buf.h"

#define SYNC_TIMEOUT 30
#define EXEC_TIMEOUT 60
/* More namespaces than an API server should be asked to watch for one client: each costs it more than many
 * readers. */
#define MAX_WATCHES 250
/* What the logs may hold, two of each: a busy cluster's half hour. */
#define LOG_MAX (64ULL << 20)

static const struct kev_option *find_row(const char *name, size_t len, bool has_value)
{
	for (size_t i = 0; i < kev_option_count; i++) {
		if (strlen(kev_option_rows[i].name) == len &&
			strncmp(kev_option_rows[i].name, name, len) == 0 &&
			(kev_option_rows[i].value != NULL) == has_value)
			return &kev_option_rows[i];
	}
	return NULL;
}

static int set_option(struct kev_options *options, const char *text, struct kev_error *error)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	const struct kev_option *row = find_row(text, len, equals != NULL);

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
		kev_error_set(error, "-o: over %d bytes of options", KEV_OPTION_LIST_MAX);
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

	kev_buf_init(&text, KEV_OPTION_LIST_MAX);
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
	if (options->state && !kev_retain_any(&options->retain))
		options->retain.age = KEV_OPTIONS_STATE_AGE;
	if (kev_option_copy(&options->source, argv[0]))
		return -ENOMEM;
	return argc > 1 ? kev_option_copy(&options->mountpoint, argv[1]) : 0;
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
	for (size_t i = 0; i < kev_option_count; i++) {
		char left[64];

		if (!kev_option_rows[i].help)
			continue;
		snprintf(left, sizeof(left), "%s%s%s", kev_option_rows[i].name,
			kev_option_rows[i].value ? "=" : "",
			kev_option_rows[i].value ? kev_option_rows[i].value : "");
		fprintf(out, "  -o %-22s %s\n", left, kev_option_rows[i].help);
	}
	fputs("\nTo end it: umount MOUNTPOINT, or fusermount3 -u MOUNTPOINT.  More: man 8 kevfs\n", out);
}
