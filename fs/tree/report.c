#include "kevfs/tree/report.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/tree/internal.h"

/* Some hundred watches, each with an error that is escaped twice, are below. */
#define REPORT_MAX (8U << 20)

struct kev_report {
	struct kev_tree *tree; /* outlives it */
	uint64_t bytes;        /* that it counts for */
	_Atomic uint32_t references;
	uint64_t ino;
	int64_t when; /* ns since the epoch */
	struct kev_buf text;
};

/* It is as it stays. @return 0 or -ENFILE */
static int count(struct kev_report *report)
{
	uint64_t before;

	report->bytes = sizeof(*report) + report->text.room;
	before = atomic_fetch_add_explicit(&report->tree->report_bytes, report->bytes, memory_order_relaxed);
	return before + report->bytes > KEV_REPORTS_MAX ? -ENFILE : 0;
}

int kev_report_make(struct kev_tree *tree, kev_report_fn *write, uint64_t ino, struct kev_place *out)
{
	struct kev_report *report = calloc(1, sizeof(*report));
	int r;

	if (!report)
		return -ENOMEM;
	atomic_init(&report->references, 1);
	report->tree = tree;
	report->ino = ino;
	report->when = kev_clock_realtime(tree->clock);
	kev_buf_init(&report->text, REPORT_MAX);
	r = write(&report->text, &(struct kev_report_source){tree->store, &tree->about, tree->clock});
	/* Of what a buffer says, the kernel hears nothing else. */
	r = r ? -ENOMEM : count(report);
	if (r) {
		kev_report_unref(report);
		return r;
	}
	*out = (struct kev_place){&kev_role_report, report};
	return 0;
}

static void ref(void *item)
{
	struct kev_report *report = item;

	atomic_fetch_add_explicit(&report->references, 1, memory_order_relaxed);
}

void kev_report_unref(struct kev_report *report)
{
	if (!report || atomic_fetch_sub_explicit(&report->references, 1, memory_order_acq_rel) != 1)
		return;
	atomic_fetch_sub_explicit(&report->tree->report_bytes, report->bytes, memory_order_relaxed);
	kev_buf_fini(&report->text);
	free(report);
}

static void unref(void *item)
{
	kev_report_unref(item);
}

struct kev_str kev_report_text(const struct kev_report *report)
{
	return kev_buf_str(&report->text);
}

/* The role. */

static uint64_t report_ino(const void *item)
{
	return ((const struct kev_report *)item)->ino;
}

static void report_attr(const void *item, struct kev_attr *out)
{
	const struct kev_report *report = item;

	out->size = report->text.len;
	out->mtime = out->ctime = report->when;
}

static ssize_t report_read(void *data, uint64_t offset, void *out, size_t len)
{
	struct kev_str text = kev_report_text(data);

	if (offset >= text.len)
		return 0;
	if (len > text.len - offset)
		len = text.len - (size_t)offset;
	memcpy(out, text.data + offset, len);
	return (ssize_t)len;
}

static int report_content(void *item, uint64_t offset, size_t len, struct kev_content *out)
{
	(void)offset, (void)len;
	ref(item);
	*out = (struct kev_content){report_read, unref, item};
	return 0;
}

const struct kev_role kev_role_report = {
	.type = KEV_NODE_FILE,
	.early = true,
	.ino = report_ino,
	.attr = report_attr,
	.content = report_content,
	.hold = ref,
	.drop = unref,
};
