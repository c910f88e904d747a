/* Any bytes as what a credential plugin prints: no crash, no leak, and either a credential that can be sent
 * or an error that says something. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/cluster/plugin_config.h"
#include "kevfs/cluster/plugin_credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sendable(const struct kev_plugin_credential *credential)
{
	if (!credential->token.len && !credential->certificate.len)
		abort();
	if ((credential->certificate.len != 0) != (credential->key.len != 0))
		abort();
	for (size_t i = 0; i < credential->token.len; i++) {
		if ((unsigned char)credential->token.data[i] < 0x20 || credential->token.data[i] == 0x7f)
			abort();
	}
	if ((credential->certificate.len &&
		    memchr(credential->certificate.data, '\0', credential->certificate.len)) ||
		(credential->key.len && memchr(credential->key.data, '\0', credential->key.len)))
		abort();
}

static void check_untouched(const struct kev_plugin_credential *credential, const struct kev_error *error)
{
	if (!error->text[0] || credential->token.len != 1 || credential->certificate.len ||
		credential->expires != 7)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const versions[] = {KEV_PLUGIN_V1, KEV_PLUGIN_V1BETA1};
	struct kev_plugin_credential credential;

	for (size_t i = 0; i < KEV_ARRAY_LEN(versions); i++) {
		struct kev_error error = {""};

		kev_plugin_credential_init(&credential);
		kev_buf_append_char(&credential.token, 'x');
		credential.expires = 7;
		if (kev_plugin_credential_parse(
			    (struct kev_str){(const char *)data, size}, versions[i], &credential, &error))
			check_untouched(&credential, &error);
		else
			check_sendable(&credential);
		kev_plugin_credential_fini(&credential);
	}
	return 0;
}
