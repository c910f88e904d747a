#ifndef KEVFS_TREE_CONTROL_H
#define KEVFS_TREE_CONTROL_H

#include "kevfs/tree/role.h"

/**
 * The hidden /.kevfs: everything that is derived, where walks do not go. Links in the tree that people walk
 * point into it.
 *
 *   /.kevfs/namespaces/<namespace>/events/<event>
 *   /.kevfs/status, metrics, version                             report.h
 *   /.kevfs/namespaces/<namespace>/by-<kind>/<group>/<event>     view.h
 *
 * What comes next to it (a log) is a role of its own, named in the fixed entries of
 * kev_role_control_namespace or kev_role_control, and a link's role beside kev_role_namespace_link.
 */
extern const struct kev_role kev_role_control;            /**< item: the tree */
extern const struct kev_role kev_role_control_namespaces; /**< item: the tree */
extern const struct kev_role kev_role_control_status;     /**< item: the tree */
extern const struct kev_role kev_role_control_metrics;    /**< item: the tree */
extern const struct kev_role kev_role_control_version;    /**< item: the tree */
extern const struct kev_role kev_role_control_namespace;  /**< item: a namespace */
extern const struct kev_role kev_role_control_events;     /**< item: a namespace: all its events */

#endif
