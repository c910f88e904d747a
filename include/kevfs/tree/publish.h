#ifndef KEVFS_TREE_PUBLISH_H
#define KEVFS_TREE_PUBLISH_H

#include "kevfs/tree/log.h"

/**
 * Telling the kernel that a log has grown, so that nobody who reads it meanwhile sees a zero byte where a
 * line will be, or half a line.
 *
 * The kernel keeps the last page of a file filled up with zeros behind the end that it knows. If the end
 * moves first, some reader finds the zeros. So a file grows in two steps, KEV_TREE_PUBLISH_MS apart (fuse.md:
 * measured, 0 wrong of 400,000 appends; the other way round, and without the wait, there were hundreds):
 *
 * 1. announce: a READ is answered with all there is, from the beginning. What the kernel keeps of the file
 *    from its published end on is invalidated, so that whoever reads the last page takes it anew.
 * 2. publish: the announced size becomes that of the attributes, and the kernel is told it.
 *
 * It is told, not left to ask: where a GETATTR's answer changes the size that it knows, it fills up the last
 * page with zeros from there on (truncate_pagecache), and with it the bytes that were announced since and
 * that a reader has got already. So before more is announced, every inode has the size that GETATTR answers.
 * FUSE_NOTIFY_STORE sets it, and leaves the page alone but for the byte that it brings: a log's last is a
 * newline.
 *
 * A READ never answers less than the published size.
 */

/** Make the file's size all that there is: nobody knows another one. */
void kev_log_publish(struct kev_log_file *file, enum kev_record_form form);

#endif
