#ifndef KEVFS_TREE_METRICS_H
#define KEVFS_TREE_METRICS_H

#include "kevfs/tree/report.h"

/**
 * What /.kevfs/metrics says, in the text format 0.0.4 of Prometheus, for its node exporter's textfile
 * collector, or whoever else brings it there.
 *
 * To say more: a family in kev_metrics_write(), and a line in the man page.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/ and …/docs/practices/naming/
 */
kev_report_fn kev_metrics_write;

#endif
