#ifndef KEVFS_TESTS_UNIT_CLUSTER_PLUGIN_SCRIPT_H
#define KEVFS_TESTS_UNIT_CLUSTER_PLUGIN_SCRIPT_H

#include "../test.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/helper.h"
#include "kevfs/cluster/plugin.h"

#define PLUGIN_PATIENCE_MS 10000

#define PLUGIN_HEAD "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" KEV_PLUGIN_V1 "\","
/** What a shell prints to give a token. */
#define PLUGIN_ECHO(token) "echo '" PLUGIN_HEAD "\"status\":{\"token\":\"" token "\"}}'"

/** A shell script as a credential plugin, and the process that runs it. */
struct plugin_script {
	char name[8], version[40], hint[40], shell[8], c[3];
	char *script;
	char *argv[4], *env[1];
	struct kev_plugin_config config;
	struct kev_helper *helper;
};

static inline void plugin_script_start(struct plugin_script *s, const char *script)
{
	struct kev_helper_config helper = {.path = "/bin:/usr/bin"};

	strcpy(s->name, "login");
	strcpy(s->version, KEV_PLUGIN_V1);
	strcpy(s->shell, "sh");
	strcpy(s->c, "-c");
	s->script = strdup(script);
	assert_non_null(s->script);
	s->argv[0] = s->shell;
	s->argv[1] = s->c;
	s->argv[2] = s->script;
	s->config = (struct kev_plugin_config){
		.name = s->name, .argv = s->argv, .env = s->env, .api_version = s->version, .timeout = 60};
	helper.argv = s->argv;
	helper.envp = s->env;
	assert_int_equal(kev_helper_start(&helper, &s->helper), 0);
}

static inline void plugin_script_end(struct plugin_script *s)
{
	kev_helper_destroy(s->helper);
	s->helper = NULL;
	free(s->script);
	s->script = NULL;
}

/** Wait until a plugin has something to say. */
static inline void plugin_wait(const int fds[], size_t count)
{
	struct pollfd ready[KEV_PLUGIN_DESCRIPTORS];

	assert_in_range(count, 1, KEV_PLUGIN_DESCRIPTORS);
	for (size_t i = 0; i < count; i++)
		ready[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	assert_true(poll(ready, count, PLUGIN_PATIENCE_MS) > 0);
}

#endif
