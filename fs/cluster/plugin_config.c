#include "kevfs/cluster/plugin_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/cluster/file.h"

/* What execve(2) takes is less. */
#define STRINGS_MAX 16384

static void wipe(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void wipe_all(char **strings)
{
	for (char **s = strings; s && *s; s++)
		wipe(*s);
	free(strings);
}

void kev_plugin_config_destroy(struct kev_plugin_config *config)
{
	if (!config)
		return;
	wipe(config->name);
	wipe_all(config->argv);
	wipe_all(config->env);
	wipe(config->api_version);
	wipe(config->install_hint);
	wipe(config->info);
	free(config);
}

static int refuse(struct kev_error *error, const char *what)
{
	kev_error_set(error, "exec: %s", what);
	return -EINVAL;
}

static int copy(const char *field, struct kev_str text, char **out, struct kev_error *error)
{
	if (text.len && memchr(text.data, '\0', text.len)) {
		kev_error_set(error, "exec: %s holds a NUL", field);
		return -EINVAL;
	}
	*out = kev_str_dup(text);
	return *out ? 0 : -ENOMEM;
}

static struct kev_str text_of(const struct kev_document_node *node)
{
	return kev_document_type(node) == KEV_DOCUMENT_NULL ? KEV_STR("") : kev_document_text(node);
}

/* Room for a list's items, and more. @return new; NULL: out of memory, or too many */
static char **allocate(const struct kev_document_node *list, size_t more)
{
	const struct kev_document_node *item = list ? kev_document_first(list) : NULL;
	size_t count = more + 1;

	for (; item && count < STRINGS_MAX; item = kev_document_next(item))
		count++;
	return calloc(count, sizeof(char *));
}

static int check_count(const char *field, const struct kev_document_node *list, struct kev_error *error)
{
	const struct kev_document_node *item = list ? kev_document_first(list) : NULL;
	size_t count = 0;

	for (; item; item = kev_document_next(item))
		count++;
	if (count < STRINGS_MAX)
		return 0;
	kev_error_set(error, "exec: %s holds more than %d items", field, STRINGS_MAX - 1);
	return -EINVAL;
}

static int set_command(struct kev_plugin_config *config, const struct kev_stanza_file *file,
	struct kev_str command, struct kev_error *error)
{
	int r;

	if (!command.len)
		return refuse(error, "there is no command");
	r = copy("command", command, &config->name, error);
	if (r)
		return r;
	/* One that is a name alone is looked for in PATH. */
	if (!strchr(config->name, '/') || *config->name == '/') {
		config->argv[0] = strdup(config->name);
		return config->argv[0] ? 0 : -ENOMEM;
	}
	r = kev_file_join(file->directory, command, &config->argv[0]);
	return r == -ENAMETOOLONG ? refuse(error, "command: the path is too long") : r;
}

static int set_argv(struct kev_plugin_config *config, const struct kev_stanza_file *file,
	const struct kev_stanza_exec *exec, struct kev_error *error)
{
	const struct kev_document_node *item = exec->args ? kev_document_first(exec->args) : NULL;
	int r = check_count("args", exec->args, error);

	if (r)
		return r;
	config->argv = allocate(exec->args, 1);
	if (!config->argv)
		return -ENOMEM;
	r = set_command(config, file, exec->command, error);
	for (char **arg = config->argv + 1; item && !r; item = kev_document_next(item))
		r = copy("an item of args", text_of(item), arg++, error);
	return r;
}

static int set_variable(const struct kev_stanza_variable *variable, char **out, struct kev_error *error)
{
	char *name = NULL, *value = NULL;
	int r = copy("env: a name", variable->name, &name, error);

	if (!r)
		r = copy("env: a value", variable->value, &value, error);
	if (!r && (!*name || strchr(name, '=')))
		r = refuse(error, *name ? "env: a name holds a '='" : "env: a variable has no name");
	if (!r && asprintf(out, "%s=%s", name, value) < 0) {
		*out = NULL;
		r = -ENOMEM;
	}
	wipe(value);
	free(name);
	return r;
}

static int set_env(struct kev_plugin_config *config, const struct kev_stanza_file *file,
	const struct kev_stanza *user, const struct kev_document_node *list, struct kev_error *error)
{
	const struct kev_document_node *item = list ? kev_document_first(list) : NULL;
	struct kev_stanza_variable variable;
	int r = check_count("env", list, error);

	if (r)
		return r;
	config->env = allocate(list, 0);
	if (!config->env)
		return -ENOMEM;
	for (char **env = config->env; item && !r; item = kev_document_next(item)) {
		variable = (struct kev_stanza_variable){.name = {NULL, 0}};
		r = kev_stanza_read_variable(file, user, item, &variable, error);
		if (!r)
			r = set_variable(&variable, env++, error);
	}
	return r;
}

static int set_version(struct kev_plugin_config *config, struct kev_str version, struct kev_error *error)
{
	if (!kev_str_eq(version, KEV_STR(KEV_PLUGIN_V1)) &&
		!kev_str_eq(version, KEV_STR(KEV_PLUGIN_V1BETA1))) {
		kev_error_set(error,
			"exec: apiVersion is \"%.*s\", not " KEV_PLUGIN_V1 " or " KEV_PLUGIN_V1BETA1,
			(int)version.len, version.len ? version.data : "");
		return -EINVAL;
	}
	return copy("apiVersion", version, &config->api_version, error);
}

static int set_mode(struct kev_plugin_config *config, struct kev_str mode, struct kev_error *error)
{
	if (!mode.len && strcmp(config->api_version, KEV_PLUGIN_V1BETA1) == 0)
		return 0;
	if (!mode.len)
		return refuse(error, "interactiveMode is missing: Never, IfAvailable or Always");
	config->interactive = kev_str_eq(mode, KEV_STR("Always"));
	if (config->interactive || kev_str_eq(mode, KEV_STR("Never")) ||
		kev_str_eq(mode, KEV_STR("IfAvailable")))
		return 0;
	kev_error_set(error, "exec: interactiveMode is \"%.*s\", not Never, IfAvailable or Always",
		(int)mode.len, mode.data);
	return -EINVAL;
}

static int fill(struct kev_plugin_config *config, const struct kev_stanza_file *file,
	const struct kev_stanza *user, const struct kev_stanza_exec *exec, struct kev_error *error)
{
	int r = set_argv(config, file, exec, error);

	if (!r)
		r = set_version(config, exec->api_version, error);
	if (!r)
		r = set_mode(config, exec->interactive_mode, error);
	if (!r && exec->install_hint.len)
		r = copy("installHint", exec->install_hint, &config->install_hint, error);
	return r ? r : set_env(config, file, user, exec->env, error);
}

int kev_plugin_config_read(const struct kev_stanza_file *file, const struct kev_stanza *user,
	const struct kev_document_node *node, struct kev_plugin_config **out, struct kev_error *error)
{
	struct kev_plugin_config *config;
	struct kev_stanza_exec exec;
	int r = kev_stanza_read_exec(file, user, node, &exec, error);

	if (r)
		return r;
	config = calloc(1, sizeof(*config));
	if (!config)
		return -ENOMEM;
	config->timeout = KEV_PLUGIN_TIMEOUT;
	r = fill(config, file, user, &exec, error);
	if (r)
		kev_plugin_config_destroy(config);
	else
		*out = config;
	return r;
}

/* Put a variable behind the others, or in the place of the one of its name. */
static int put(char **environment, size_t *count, const char *variable)
{
	size_t name = strcspn(variable, "="), i = 0;
	char *own = strdup(variable);

	if (!own)
		return -ENOMEM;
	while (i < *count && (strncmp(environment[i], variable, name) != 0 || environment[i][name] != '='))
		i++;
	wipe(i < *count ? environment[i] : NULL);
	environment[i] = own;
	*count += i == *count ? 1 : 0;
	return 0;
}

static int put_all(char **environment, size_t *count, char *const *variables)
{
	int r = 0;

	for (; *variables && !r; variables++) {
		/* Windows has such; here they are no variables. */
		if (**variables != '=' && strchr(*variables, '='))
			r = put(environment, count, *variables);
	}
	return r;
}

static int put_named(char **environment, size_t *count, const char *name, const char *value)
{
	char *variable = NULL;
	int r;

	if (asprintf(&variable, "%s=%s", name, value) < 0)
		return -ENOMEM;
	r = put(environment, count, variable);
	wipe(variable);
	return r;
}

int kev_plugin_environment(
	const struct kev_plugin_config *config, char *const *ours, const char *path, char ***out)
{
	size_t most = 3, count = 0;
	char **environment;
	int r;

	for (char *const *variable = ours; *variable; variable++)
		most++;
	for (char *const *variable = config->env; *variable; variable++)
		most++;
	environment = calloc(most, sizeof(*environment));
	if (!environment)
		return -ENOMEM;
	r = put_all(environment, &count, ours);
	if (!r)
		r = put_named(environment, &count, "PATH", path);
	if (!r)
		r = put_all(environment, &count, config->env);
	if (!r)
		r = put_named(environment, &count, "KUBERNETES_EXEC_INFO", config->info);
	if (r) {
		kev_plugin_environment_free(environment);
		return r;
	}
	*out = environment;
	return 0;
}

void kev_plugin_environment_free(char **environment)
{
	wipe_all(environment);
}
