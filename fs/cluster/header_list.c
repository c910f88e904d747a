#include "kevfs/cluster/header_list.h"

#include <errno.h>
#include <string.h>

#include "kevfs/base/buf.h"

#define HEADER_MAX (256U << 10)

static int append(struct curl_slist **headers, const char *line)
{
	struct curl_slist *grown = curl_slist_append(*headers, line);

	if (!grown)
		return -ENOMEM;
	*headers = grown;
	return 0;
}

int kev_header_list_add(struct curl_slist **headers, const char *line)
{
	size_t len = strlen(line);
	struct kev_buf text;
	int r;

	if (len < 2 || strcmp(line + len - 2, ": ") != 0)
		return append(headers, line);
	/* Without a value it would be an order to leave the header out, unless it ends in a semicolon. */
	kev_buf_init(&text, HEADER_MAX);
	kev_buf_append(&text, line, len - 2);
	kev_buf_append_char(&text, ';');
	r = text.error || !kev_buf_cstr(&text) ? -ENOMEM : append(headers, text.data);
	kev_buf_fini(&text);
	return r;
}

int kev_header_list_add_named(struct curl_slist **headers, const char *name, const char *value)
{
	struct kev_buf text;
	int r;

	if (!value)
		return 0;
	kev_buf_init(&text, HEADER_MAX);
	kev_buf_printf(&text, "%s: %s", name, value);
	r = text.error || !kev_buf_cstr(&text) ? -ENOMEM : append(headers, text.data);
	kev_buf_fini(&text);
	return r;
}

void kev_header_list_fini(struct curl_slist **headers)
{
	for (struct curl_slist *header = *headers; header; header = header->next)
		explicit_bzero(header->data, strlen(header->data));
	curl_slist_free_all(*headers);
	*headers = NULL;
}
