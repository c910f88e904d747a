#ifndef KEVFS_CLUSTER_HEADER_LIST_H
#define KEVFS_CLUSTER_HEADER_LIST_H

#include <curl/curl.h>

#include "kevfs/base/defs.h"

/** The header lines of a request, as curl takes them. They may hold a credential, so they are wiped. */

/** Put "Name: value" behind the others; also one without a value. @return 0 or -ENOMEM */
int kev_header_list_add(struct curl_slist **headers, const char *line) KEV_MUST_USE;

/** The same in two parts. @param value  NULL: nothing is added */
int kev_header_list_add_named(struct curl_slist **headers, const char *name, const char *value) KEV_MUST_USE;

/** Wipe and free them; the list is empty then. */
void kev_header_list_fini(struct curl_slist **headers);

#endif
