#ifndef KEVFS_TREE_STATUS_H
#define KEVFS_TREE_STATUS_H

#include "kevfs/tree/report.h"

/**
 * What /.kevfs/status says: a JSON object.
 *
 * Each member stands on a line of its own, indented as kubectl does it, so that grep finds it where there is
 * no jq. To say more: a member in kev_status_write(), and a line in the man page.
 */
kev_report_fn kev_status_write;

#endif
