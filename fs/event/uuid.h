#ifndef KEVFS_FS_EVENT_UUID_H
#define KEVFS_FS_EVENT_UUID_H

#include <stdbool.h>

#include "kevfs/base/str.h"

/* A uid as Kubernetes makes them, `8a3c7a0e-5f6d-4b0e-9d3c-0123456789ab`, is 16 bytes. */
#define UUID_LEN 36U
#define UUID_SIZE 16U

/* @return false where it is printed otherwise; out is of no use then */
bool uuid_parse(struct kev_str s, unsigned char out[UUID_SIZE]);

void uuid_print(const unsigned char uuid[UUID_SIZE], char out[UUID_LEN]);

#endif
