/*
 * The cases stand in kubeconfig/<case>/: the files, "case" (what is asked for, and what kubectl and client-go
 * make of the same files) and "expected" (the config, or the error).
 */
#include "../test.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/base/text.h"
#include "kevfs/cluster/file.h"
#include "kevfs/cluster/kubeconfig.h"
#include "kevfs/cluster/plugin_config.h"

#define CASES_MAX 512
#define TEXT_MAX (1U << 20)

/* What a "case" file says. */
struct setup {
	struct kev_environment environment;
	char *path, *context;
	char *owned[16]; /* all values, to be freed */
	size_t count;
};

static void read_text(const char *path, struct kev_buf *out)
{
	kev_buf_init(out, TEXT_MAX);
	assert_int_equal(kev_file_read(path, KEV_FILE_REGULAR, out), 0);
	assert_non_null(kev_buf_cstr(out));
}

/* A context's name may hold a line break and an escape. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (strncmp(s, "\\n", 2) == 0) {
			*out++ = '\n';
			s++;
		} else if (strncmp(s, "\\x1b", 4) == 0) {
			*out++ = '\x1b';
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static void set(struct setup *setup, const char *key, const char *text)
{
	char *value = strdup(text);

	assert_non_null(value);
	assert_true(setup->count < KEV_ARRAY_LEN(setup->owned));
	setup->owned[setup->count++] = value;
	unescape(value);
	if (strcmp(key, "kubeconfig") == 0)
		setup->environment.kubeconfig = value;
	else if (strcmp(key, "home") == 0)
		setup->environment.home = value;
	else if (strcmp(key, "service_host") == 0)
		setup->environment.service_host = value;
	else if (strcmp(key, "service_port") == 0)
		setup->environment.service_port = value;
	else if (strcmp(key, "service_account") == 0)
		setup->environment.service_account_directory = value;
	else if (strcmp(key, "path") == 0)
		setup->path = value;
	else if (strcmp(key, "context") == 0)
		setup->context = value;
	else
		fail_msg("unknown key %s", key);
}

static void read_setup(struct setup *setup)
{
	struct kev_buf text;
	char *line, *rest = NULL;

	memset(setup, 0, sizeof(*setup));
	read_text("case", &text);
	for (line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *colon = strstr(line, ": ");

		if (line[0] == '#')
			continue;
		assert_non_null(colon);
		*colon = '\0';
		set(setup, line, colon + 2);
	}
	kev_buf_fini(&text);
}

/* The case's directory as $DIR, and what cannot stand in a line escaped. */
static void print(struct kev_buf *out, const char *name, const char *value)
{
	char *directory = getcwd(NULL, 0);
	const char *at;

	assert_non_null(directory);
	if (value) {
		kev_buf_printf(out, "%s: ", name);
		at = strstr(value, directory);
		if (at) {
			kev_text_append_escaped(out, (struct kev_str){value, (size_t)(at - value)});
			kev_buf_append_c(out, "$DIR");
			value = at + strlen(directory);
		}
		kev_text_append_escaped(out, kev_str_c(value));
		kev_buf_append_char(out, '\n');
	}
	free(directory);
}

static void print_plugin(struct kev_buf *out, const struct kev_plugin_config *plugin)
{
	if (!plugin)
		return;
	print(out, "plugin", plugin->name);
	for (char **arg = plugin->argv; *arg; arg++)
		print(out, "arg", *arg);
	for (char **variable = plugin->env; *variable; variable++)
		print(out, "env", *variable);
	print(out, "api_version", plugin->api_version);
	print(out, "install_hint", plugin->install_hint);
	print(out, "info", plugin->info);
	print(out, "interactive", plugin->interactive ? "true" : NULL);
	assert_int_equal(plugin->timeout, KEV_PLUGIN_TIMEOUT);
}

static void print_config(struct kev_buf *out, const struct kev_cluster_config *config)
{
	print(out, "source", config->source);
	print(out, "server", config->server);
	print(out, "namespace", config->namespace_);
	print(out, "ca_file", config->ca_file);
	print(out, "ca_data", config->ca_data);
	print(out, "insecure", config->insecure ? "true" : NULL);
	print(out, "tls_server_name", config->tls_server_name);
	print(out, "proxy_url", config->proxy_url);
	print(out, "disable_compression", config->disable_compression ? "true" : NULL);
	print(out, "cert_file", config->cert_file);
	print(out, "cert_data", config->cert_data);
	print(out, "key_file", config->key_file);
	print(out, "key_data", config->key_data);
	print(out, "token", config->token);
	print(out, "token_file", config->token_file);
	print(out, "username", config->username);
	print(out, "password", config->password);
	print_plugin(out, config->plugin);
	for (char **header = config->impersonate; header && *header; header++)
		print(out, "impersonate", *header);
	print(out, "withheld", kev_cluster_config_withholds_credential(config) ? "true" : NULL);
}

static void test_load_case(void **state)
{
	struct kev_cluster_config *untouched = (struct kev_cluster_config *)state, *config = untouched;
	struct kev_error error = {"no text"};
	struct kev_buf actual, expected;
	struct setup setup;
	int r;

	assert_int_equal(chdir(KEVFS_TEST_DIR "/kubeconfig"), 0);
	assert_int_equal(chdir(*state), 0);
	read_setup(&setup);
	r = kev_kubeconfig_load(&setup.environment, setup.path, setup.context, &config, &error);
	kev_buf_init(&actual, TEXT_MAX);
	if (r == 0) {
		print_config(&actual, config);
		kev_cluster_config_destroy(config);
	} else {
		assert_ptr_equal(config, untouched);
		kev_buf_printf(&actual, "%s\n", strerrorname_np(-r));
		print(&actual, "error", error.text);
		/* Every secret of the cases that end in an error has this in it. */
		assert_null(strstr(error.text, "hunter2"));
	}
	read_text("expected", &expected);
	assert_string_equal(kev_buf_cstr(&actual), kev_buf_cstr(&expected));
	kev_buf_fini(&expected);
	kev_buf_fini(&actual);
	for (size_t i = 0; i < setup.count; i++)
		free(setup.owned[i]);
}

/* A file of its own, with this content; unlinked by the caller. */
static void make_file(char *path, const struct kev_buf *content)
{
	int fd;

	memcpy(path, "/tmp/kevfs-test-XXXXXX", sizeof("/tmp/kevfs-test-XXXXXX"));
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content->data, content->len), (ssize_t)content->len);
	close(fd);
}

static int load_text(struct kev_buf *content, struct kev_cluster_config **out, struct kev_error *error)
{
	const struct kev_environment environment = {.home = NULL};
	char path[32];
	int r;

	make_file(path, content);
	r = kev_kubeconfig_load(&environment, path, NULL, out, error);
	unlink(path);
	kev_buf_fini(content);
	return r;
}

static void test_load_file_too_large(void **state)
{
	struct kev_cluster_config *config = NULL;
	struct kev_error error;
	struct kev_buf content;

	(void)state;
	kev_buf_init(&content, 5U << 20);
	kev_buf_append_fill(&content, '#', (4U << 20) + 1);
	assert_int_equal(load_text(&content, &config, &error), -EINVAL);
	assert_non_null(strstr(error.text, ": larger than 4 MiB"));
	/* One byte less is read, and says nothing. */
	kev_buf_append_fill(&content, '#', 4U << 20);
	assert_int_equal(load_text(&content, &config, &error), -ENOENT);
	assert_null(config);
}

/* libyaml alone takes minutes over each of these. */
static void test_load_many_directives(void **state)
{
	struct kev_cluster_config *config = NULL;
	struct kev_error error;
	struct kev_buf content;

	(void)state;
	kev_buf_init(&content, 4U << 20);
	for (int i = 0; i < 200000; i++)
		kev_buf_printf(&content, "%%TAG !a%d! !b\n", i);
	assert_int_equal(load_text(&content, &config, &error), -EINVAL);
	assert_non_null(strstr(error.text, ": more than 64 %TAG directives"));
	assert_null(config);
}

/* A name and base64 data that aliases repeat: a thousand times a mebibyte. */
static void test_load_multiplied_text(void **state)
{
	static const char *const items[] = {"- {name: *b}\n", "- {name: u%d, user: {client-key-data: *b}}\n"};
	struct kev_cluster_config *config = NULL;
	struct kev_error error;
	struct kev_buf content;

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(items); i++) {
		kev_buf_init(&content, 4U << 20);
		kev_buf_append_c(&content, "b: &b ");
		kev_buf_append_fill(&content, 'A', 1U << 20);
		kev_buf_append_c(&content, "\nusers:\n");
		for (int j = 0; j < 1000; j++) {
			if (i == 0)
				kev_buf_append_c(&content, items[i]);
			else
				kev_buf_printf(&content, "- {name: u%d, user: {client-key-data: *b}}\n", j);
		}
		assert_int_equal(load_text(&content, &config, &error), -EINVAL);
		assert_non_null(strstr(error.text, "aliases or merge keys multiply it"));
	}
	assert_null(config);
}

/* "-o kubeconfig=/dev/fd/63" is what a shell's <(…) gives. */
static void test_load_from_pipe(void **state)
{
	static const char text[] =
		"{contexts: [{name: x, context: {cluster: c}}], current-context: x, "
		"clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: ''}}]}";
	const struct kev_environment environment = {.home = NULL};
	struct kev_cluster_config *config = NULL;
	char path[32];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, sizeof(text) - 1), (ssize_t)(sizeof(text) - 1));
	close(fds[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	assert_int_equal(kev_kubeconfig_load(&environment, path, NULL, &config, NULL), 0);
	assert_string_equal(config->server, "https://h");
	kev_cluster_config_destroy(config);
	close(fds[0]);
}

static void test_load_file_not_permitted(void **state)
{
	const struct kev_environment environment = {.home = NULL};
	struct kev_cluster_config *config = NULL;
	struct kev_buf content;
	struct kev_error error;
	uid_t user = geteuid();
	char path[32];
	int r;

	(void)state;
	kev_buf_init(&content, 10);
	make_file(path, &content);
	assert_int_equal(chmod(path, 0), 0);
	/* root may read it all the same. */
	assert_int_equal(user == 0 ? seteuid(65534) : 0, 0);
	r = kev_kubeconfig_load(&environment, path, NULL, &config, &error);
	assert_int_equal(user == 0 ? seteuid(0) : 0, 0);
	unlink(path);
	assert_int_equal(r, -EACCES);
	assert_non_null(strstr(error.text, ": Permission denied"));
	assert_null(config);
}

static void test_load_url(void **state)
{
	struct kev_cluster_config *config = NULL;
	struct kev_error error;

	(void)state;
	assert_int_equal(kev_kubeconfig_load_url("HTTPS://h:6443/p/", &config, &error), 0);
	assert_string_equal(config->server, "https://h:6443/p");
	assert_string_equal(config->source, "https://h:6443/p");
	assert_false(kev_cluster_config_withholds_credential(config));
	assert_int_equal(kev_cluster_config_check(config, &error), 0);
	kev_cluster_config_destroy(config);
	config = NULL;
	assert_int_equal(kev_kubeconfig_load_url("https://u:hunter2@h", &config, &error), -EINVAL);
	assert_null(config);
	assert_null(strstr(error.text, "hunter2"));
}

static void test_load_in_cluster_outside(void **state)
{
	const struct kev_environment environment = {
		.service_host = "10.0.0.1", .service_port = "", .service_account_directory = "/nonexistent"};
	struct kev_cluster_config *config = NULL;
	struct kev_error error;

	(void)state;
	assert_int_equal(kev_kubeconfig_load_in_cluster(&environment, &config, &error), -ENOENT);
	assert_string_equal(error.text, "in-cluster: not in a pod: KUBERNETES_SERVICE_HOST and "
					"KUBERNETES_SERVICE_PORT are not set");
	assert_null(config);
}

static void test_environment_read(void **state)
{
	struct kev_environment environment;
	const char *before = getenv("HOME");
	char *home = before ? strdup(before) : NULL;

	(void)state;
	setenv("KUBECONFIG", "/a:/b", 1);
	setenv("HOME", "/home/bob", 1);
	kev_environment_read(&environment);
	assert_string_equal(environment.kubeconfig, "/a:/b");
	assert_string_equal(environment.home, "/home/bob");
	unsetenv("KUBECONFIG");
	unsetenv("HOME");
	kev_environment_read(&environment);
	assert_null(environment.kubeconfig);
	/* The password database's; a container's user may have none. */
	if (environment.home)
		assert_int_equal(environment.home[0], '/');
	if (home)
		setenv("HOME", home, 1);
	free(home);
}

static int is_case(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(void)
{
	const struct CMUnitTest fixed[] = {
		cmocka_unit_test(test_load_file_too_large),
		cmocka_unit_test(test_load_many_directives),
		cmocka_unit_test(test_load_multiplied_text),
		cmocka_unit_test(test_load_from_pipe),
		cmocka_unit_test(test_load_file_not_permitted),
		cmocka_unit_test(test_load_url),
		cmocka_unit_test(test_load_in_cluster_outside),
		cmocka_unit_test(test_environment_read),
	};
	struct CMUnitTest tests[CASES_MAX];
	struct dirent **cases;
	int count = scandir(KEVFS_TEST_DIR "/kubeconfig", &cases, is_case, alphasort), r;
	size_t n = 0;

	for (; n < KEV_ARRAY_LEN(fixed); n++)
		tests[n] = fixed[n];
	if (count <= 0 || (size_t)count > CASES_MAX - n) {
		fprintf(stderr, "no cases, or too many, in " KEVFS_TEST_DIR "/kubeconfig\n");
		return 1;
	}
	for (int i = 0; i < count; i++)
		tests[n++] = (struct CMUnitTest){.name = cases[i]->d_name,
			.test_func = test_load_case,
			.initial_state = cases[i]->d_name};
	r = _cmocka_run_group_tests("kubeconfig", tests, n, NULL, NULL);
	for (int i = 0; i < count; i++)
		free(cases[i]);
	free(cases);
	return r;
}
