#include "kevfs/tree/publish.h"

#include "kevfs/tree/internal.h"

void kev_log_publish(struct kev_log_file *file, enum kev_record_form form)
{
	struct kev_log_form *state = &file->forms[form];

	state->announced = state->published = state->size;
	state->mtime = file->mtime;
}

/* The next step of what grows. @return whether more is to come */
static bool step(struct kev_tree *tree, struct kev_log_file *file, enum kev_record_form form)
{
	struct kev_log_form *state = &file->forms[form];
	const struct kev_place place = {kev_log_role(form), file};

	if (!kev_inodes_find_place(tree->inodes, place)) {
		kev_log_publish(file, form);
		return false;
	}
	if (state->announced > state->published) {
		state->published = state->announced;
		state->mtime = file->mtime;
		kev_stale_size(tree->batch, tree->inodes, place, state->published);
	}
	if (state->size > state->published) {
		state->announced = state->size;
		kev_stale_tail(tree->batch, tree->inodes, place, state->published);
	}
	return state->size > state->published;
}

static bool step_file(struct kev_tree *tree, struct kev_log_file *file)
{
	bool more = false;

	for (enum kev_record_form form = 0; form < KEV_RECORD_FORMS; form++)
		more |= step(tree, file, form);
	return more;
}

bool kev_tree_publish(struct kev_tree *tree, kev_tree_stale_fn *stale, void *context)
{
	LIST_HEAD(, kev_log_file) done = LIST_HEAD_INITIALIZER(done);
	struct kev_log_file *file;
	bool more;

	pthread_mutex_lock(&tree->lock);
	while ((file = LIST_FIRST(&tree->growing))) {
		if (kev_stale_batch_full(tree->batch)) {
			/* Whoever forgets a file meanwhile takes it out of the list that it is in. */
			pthread_mutex_unlock(&tree->lock);
			kev_stale_deliver(tree->batch, stale, context);
			pthread_mutex_lock(&tree->lock);
			continue;
		}
		LIST_REMOVE(file, growing);
		file->grows = step_file(tree, file);
		if (file->grows)
			LIST_INSERT_HEAD(&done, file, growing);
	}
	more = !LIST_EMPTY(&done);
	while ((file = LIST_FIRST(&done))) {
		LIST_REMOVE(file, growing);
		LIST_INSERT_HEAD(&tree->growing, file, growing);
	}
	pthread_mutex_unlock(&tree->lock);
	kev_stale_deliver(tree->batch, stale, context);
	return more;
}
