#include "kevfs/kernel/senders.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/log.h"
#include "kevfs/base/thread.h"

/* What waits to be sent; with half of it, who sends is woken at once. */
#define QUEUE_MAX 1024

/* A notification that takes longer is held up; how often it is looked at while somebody waits for it. */
#define PATIENCE_NS (50 * KEV_NS_PER_MS)
#define LOOK_NS (20 * KEV_NS_PER_MS)

struct queue {
	struct kev_stale *items; /* a ring */
	size_t first, count, room;
};

struct sender {
	struct kev_senders *senders;
	pthread_t thread;
	pthread_cond_t cond; /* there is something to do */
	bool started, ended;
	bool waiting;  /* for cond */
	bool sending;  /* it is in the kernel */
	uint64_t node; /* … with a notification of that */

	bool held;          /* it was there for too long, and another one goes on */
	bool told;          /* that it is */
	int64_t since;      /* when that was found: monotonic */
	int64_t since_real; /* the same: realtime */
	struct queue kept;  /* for its node */
	bool overflown;     /* … and it was not all */
	uint64_t lost;      /* what is to be refreshed, and is not in the list yet. 0: nothing */
};

struct kev_senders {
	struct kev_senders_config config;

	pthread_mutex_t lock; /* protects everything below; a leaf */
	pthread_cond_t done;  /* something was sent */
	bool awaited;         /* somebody waits for done */
	bool stopping;
	struct queue queue;
	struct sender senders[KEV_SENDERS_MAX];
	struct sender *active; /* who sends; NULL: all are held */
	uint64_t begun;        /* notifications that the active one has begun */
	uint64_t seen;         /* begun, when it was looked at last */
	int64_t seen_at;       /* … for the first time: monotonic */
	int64_t halted_since;  /* nobody could be found who sends: realtime; 0: it was not looked for */
	uint64_t *lost;        /* directories to be refreshed, each once */
	size_t lost_count, lost_room;
};

/* ---- queues ---- */

static bool queue_init(struct queue *queue, size_t room)
{
	*queue = (struct queue){.items = malloc(room * sizeof(*queue->items))};
	if (queue->items)
		queue->room = room;
	return queue->items;
}

static void queue_fini(struct queue *queue)
{
	free(queue->items);
	*queue = (struct queue){.items = NULL};
}

static void queue_put(struct queue *queue, const struct kev_stale *stale)
{
	struct kev_stale *item = &queue->items[(queue->first + queue->count++) % queue->room];

	item->kind = stale->kind;
	item->node = stale->node;
	item->offset = stale->offset;
	/* Most names are short, and their room is not. */
	memcpy(item->name, stale->name, strlen(stale->name) + 1);
}

static bool queue_take(struct queue *queue, struct kev_stale *out)
{
	const struct kev_stale *item = &queue->items[queue->first];

	if (!queue->count)
		return false;
	*out = (struct kev_stale){.kind = item->kind, .node = item->node, .offset = item->offset};
	memcpy(out->name, item->name, strlen(item->name) + 1);
	queue->first = (queue->first + 1) % queue->room;
	queue->count--;
	return true;
}

static bool is_same(const struct kev_stale *a, const struct kev_stale *b)
{
	return a->kind == b->kind && a->node == b->node && a->offset == b->offset &&
	       strcmp(a->name, b->name) == 0;
}

static bool queue_has(const struct queue *queue, const struct kev_stale *stale)
{
	for (size_t i = 0; i < queue->count; i++) {
		if (is_same(&queue->items[(queue->first + i) % queue->room], stale))
			return true;
	}
	return false;
}

/* ---- who sends ---- */

static void wake_locked(struct sender *sender)
{
	if (sender && sender->waiting)
		pthread_cond_signal(&sender->cond);
}

static struct sender *find_holder_locked(struct kev_senders *senders, uint64_t node)
{
	for (size_t i = 0; i < KEV_SENDERS_MAX; i++) {
		if (senders->senders[i].held && senders->senders[i].node == node)
			return &senders->senders[i];
	}
	return NULL;
}

/* What concerns a directory that is held. To say the same twice makes nothing more stale. */
static void keep_locked(struct sender *holder, const struct kev_stale *stale)
{
	if (holder->overflown || queue_has(&holder->kept, stale))
		return;
	if (holder->kept.count < holder->kept.room)
		queue_put(&holder->kept, stale);
	else
		holder->overflown = true;
}

static void activate_locked(struct sender *sender)
{
	sender->senders->active = sender;
	sender->senders->halted_since = 0;
}

/* It is in the kernel no more, and nothing is left of what it kept. */
static void come_free_locked(struct sender *self)
{
	self->held = false;
	queue_fini(&self->kept);
	if (self->overflown)
		self->lost = self->node;
	else if (!self->senders->active)
		activate_locked(self);
	self->overflown = false;
}

static void send_locked(struct sender *self, const struct kev_stale *stale)
{
	struct kev_senders *senders = self->senders;

	self->sending = true;
	self->node = stale->node;
	if (!self->held)
		senders->begun++;
	pthread_mutex_unlock(&senders->lock);
	senders->config.send(senders->config.context, stale);
	pthread_mutex_lock(&senders->lock);
	self->sending = false;
}

/* Do the next thing. @return false where there is nothing to do */
static bool step_locked(struct sender *self)
{
	struct kev_senders *senders = self->senders;
	struct sender *holder;
	struct kev_stale stale;

	if (self->held) {
		/* What is too much by now is too much: the refresh says it all. */
		if (!self->overflown && queue_take(&self->kept, &stale))
			send_locked(self, &stale);
		else
			come_free_locked(self);
		return true;
	}
	if (senders->active != self || !queue_take(&senders->queue, &stale))
		return false;
	holder = find_holder_locked(senders, stale.node);
	if (holder)
		keep_locked(holder, &stale);
	else
		send_locked(self, &stale);
	return true;
}

static void *run(void *context)
{
	struct sender *self = context;
	struct kev_senders *senders = self->senders;

	pthread_setname_np(pthread_self(), "kevfs-sender");
	pthread_mutex_lock(&senders->lock);
	while (!senders->stopping) {
		bool busy = step_locked(self);

		if (senders->awaited)
			pthread_cond_signal(&senders->done);
		if (busy)
			continue;
		self->waiting = true;
		pthread_cond_wait(&self->cond, &senders->lock);
		self->waiting = false;
	}
	self->ended = true;
	pthread_mutex_unlock(&senders->lock);
	return NULL;
}

static int start_locked(struct sender *sender)
{
	int r = kev_thread_start(&sender->thread, run, sender);

	sender->started = r == 0;
	return r;
}

static bool is_listed_locked(const struct kev_senders *senders, uint64_t node)
{
	for (size_t i = 0; i < senders->lost_count; i++) {
		if (senders->lost[i] == node)
			return true;
	}
	return false;
}

/* What a sender lost is for who pushes to take, who may be waiting for a sender. @return whether it has lost
 * nothing now: else (without memory) it sends nothing, lest it lose another directory */
static bool list_lost_locked(struct kev_senders *senders, struct sender *sender)
{
	if (sender->lost && !is_listed_locked(senders, sender->lost)) {
		if (senders->lost_count == senders->lost_room) {
			size_t room = senders->lost_room + KEV_SENDERS_MAX;
			uint64_t *larger = realloc(senders->lost, room * sizeof(*larger));

			if (!larger)
				return false;
			senders->lost = larger;
			senders->lost_room = room;
		}
		senders->lost[senders->lost_count++] = sender->lost;
	}
	sender->lost = 0;
	return true;
}

/* Let one go on who can. Without memory for a thread there may be one the next time. */
static void choose_locked(struct kev_senders *senders, struct kev_moment now)
{
	for (size_t i = 0; i < KEV_SENDERS_MAX && !senders->active; i++) {
		struct sender *sender = &senders->senders[i];

		if (sender->held || !list_lost_locked(senders, sender) ||
			(!sender->started && start_locked(sender) != 0))
			continue;
		activate_locked(sender);
		wake_locked(sender);
	}
	if (!senders->active && !senders->halted_since)
		senders->halted_since = now.real;
}

static void hold_locked(struct kev_senders *senders, struct sender *sender, struct kev_moment now)
{
	sender->held = true;
	sender->told = false;
	sender->since = now.monotonic;
	sender->since_real = now.real;
	/* Without memory nothing is kept. */
	(void)queue_init(&sender->kept, KEV_SENDERS_KEPT_MAX);
	senders->active = NULL;
}

static bool tend_locked(struct kev_senders *senders)
{
	struct kev_moment now = kev_moment_now(senders->config.clock);
	struct sender *active = senders->active;
	bool busy = senders->queue.count > 0 || senders->lost_count > 0;

	if (active && active->sending) {
		if (senders->seen != senders->begun) {
			senders->seen = senders->begun;
			senders->seen_at = now.monotonic;
		} else if (now.monotonic - senders->seen_at >= PATIENCE_NS) {
			hold_locked(senders, active, now);
		}
	}
	choose_locked(senders, now);
	for (size_t i = 0; i < KEV_SENDERS_MAX && !busy; i++)
		busy = senders->senders[i].sending || senders->senders[i].held || senders->senders[i].lost;
	return busy;
}

/* ---- who pushes ---- */

struct kev_senders *kev_senders_create(const struct kev_senders_config *config)
{
	struct kev_senders *senders = calloc(1, sizeof(*senders));

	if (!senders)
		return NULL;
	senders->config = *config;
	pthread_mutex_init(&senders->lock, NULL);
	kev_thread_cond_init(&senders->done);
	for (size_t i = 0; i < KEV_SENDERS_MAX; i++) {
		senders->senders[i].senders = senders;
		pthread_cond_init(&senders->senders[i].cond, NULL);
	}
	if (queue_init(&senders->queue, QUEUE_MAX))
		return senders;
	kev_senders_destroy(senders);
	return NULL;
}

int kev_senders_start(struct kev_senders *senders)
{
	int r;

	pthread_mutex_lock(&senders->lock);
	r = start_locked(&senders->senders[0]);
	if (!r)
		senders->active = &senders->senders[0];
	pthread_mutex_unlock(&senders->lock);
	return r;
}

static void tell_waiting_locked(struct kev_senders *senders)
{
	pthread_mutex_unlock(&senders->lock);
	if (senders->config.waiting)
		senders->config.waiting(senders->config.context);
	pthread_mutex_lock(&senders->lock);
}

/* Wait until a little was sent, or who sends has to be looked at. */
static void wait_done_locked(struct kev_senders *senders)
{
	const struct timespec until = kev_thread_deadline(LOOK_NS);

	wake_locked(senders->active);
	senders->awaited = true;
	if (pthread_cond_timedwait(&senders->done, &senders->lock, &until) == ETIMEDOUT) {
		tend_locked(senders);
		tell_waiting_locked(senders);
	}
	senders->awaited = false;
}

/* … until it is done; and tell then that it goes on, if it did not. */
static void wait_until_locked(struct kev_senders *senders, bool (*is_done)(const struct kev_senders *senders))
{
	bool halted = false;

	while (!is_done(senders) && !senders->stopping) {
		wait_done_locked(senders);
		halted = halted || senders->halted_since;
	}
	if (halted && !senders->stopping)
		tell_waiting_locked(senders);
}

static bool has_room_locked(const struct kev_senders *senders)
{
	return senders->queue.count < QUEUE_MAX;
}

static bool is_sent_locked(const struct kev_senders *senders)
{
	return !senders->queue.count && !(senders->active && senders->active->sending);
}

void kev_senders_push(struct kev_senders *senders, const struct kev_stale *stale)
{
	pthread_mutex_lock(&senders->lock);
	wait_until_locked(senders, has_room_locked);
	if (!senders->stopping) {
		queue_put(&senders->queue, stale);
		if (senders->queue.count == QUEUE_MAX / 2)
			wake_locked(senders->active);
	}
	pthread_mutex_unlock(&senders->lock);
}

void kev_senders_wake(struct kev_senders *senders)
{
	pthread_mutex_lock(&senders->lock);
	if (senders->queue.count)
		wake_locked(senders->active);
	pthread_mutex_unlock(&senders->lock);
}

void kev_senders_flush(struct kev_senders *senders)
{
	pthread_mutex_lock(&senders->lock);
	wait_until_locked(senders, is_sent_locked);
	pthread_mutex_unlock(&senders->lock);
}

bool kev_senders_tend(struct kev_senders *senders)
{
	bool busy;

	pthread_mutex_lock(&senders->lock);
	busy = tend_locked(senders);
	pthread_mutex_unlock(&senders->lock);
	return busy;
}

bool kev_senders_take_lost(struct kev_senders *senders, uint64_t *node)
{
	bool found;

	pthread_mutex_lock(&senders->lock);
	found = senders->lost_count;
	if (found)
		*node = senders->lost[--senders->lost_count];
	for (size_t i = 0; i < KEV_SENDERS_MAX && !found; i++) {
		found = senders->senders[i].lost;
		if (!found)
			continue;
		*node = senders->senders[i].lost;
		senders->senders[i].lost = 0;
	}
	pthread_mutex_unlock(&senders->lock);
	return found;
}

static bool is_reported_locked(const struct sender *sender, int64_t now)
{
	return sender->held && now - sender->since >= KEV_SENDERS_REPORT_MS * KEV_NS_PER_MS;
}

bool kev_senders_take_held(struct kev_senders *senders, uint64_t *node)
{
	int64_t now = kev_clock_monotonic(senders->config.clock);
	bool found = false;

	pthread_mutex_lock(&senders->lock);
	for (size_t i = 0; i < KEV_SENDERS_MAX && !found; i++) {
		struct sender *sender = &senders->senders[i];

		found = !sender->told && is_reported_locked(sender, now);
		if (!found)
			continue;
		sender->told = true;
		*node = sender->node;
	}
	pthread_mutex_unlock(&senders->lock);
	return found;
}

void kev_senders_held(struct kev_senders *senders, struct kev_senders_held *out)
{
	int64_t now = kev_clock_monotonic(senders->config.clock);

	*out = (struct kev_senders_held){.count = 0};
	pthread_mutex_lock(&senders->lock);
	for (size_t i = 0; i < KEV_SENDERS_MAX; i++) {
		const struct sender *sender = &senders->senders[i];

		if (!is_reported_locked(sender, now))
			continue;
		if (!out->count++ || sender->since_real < out->since)
			out->since = sender->since_real;
	}
	out->halted_since = senders->halted_since;
	pthread_mutex_unlock(&senders->lock);
}

/* ---- the end ---- */

static bool have_ended(struct kev_senders *senders)
{
	bool ended = true;

	pthread_mutex_lock(&senders->lock);
	for (size_t i = 0; i < KEV_SENDERS_MAX; i++)
		ended = ended && (!senders->senders[i].started || senders->senders[i].ended);
	pthread_mutex_unlock(&senders->lock);
	return ended;
}

bool kev_senders_stop(struct kev_senders *senders, int timeout_ms)
{
	const struct timespec tick = {0, KEV_NS_PER_MS};

	pthread_mutex_lock(&senders->lock);
	senders->stopping = true;
	for (size_t i = 0; i < KEV_SENDERS_MAX; i++)
		pthread_cond_signal(&senders->senders[i].cond);
	pthread_cond_broadcast(&senders->done);
	pthread_mutex_unlock(&senders->lock);
	for (int waited = 0; !have_ended(senders); waited++) {
		if (waited >= timeout_ms)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

void kev_senders_abandon(struct kev_senders *senders)
{
	for (size_t i = 0; i < KEV_SENDERS_MAX; i++) {
		if (senders->senders[i].started)
			pthread_detach(senders->senders[i].thread);
	}
}

void kev_senders_destroy(struct kev_senders *senders)
{
	if (!senders)
		return;
	kev_senders_stop(senders, 0);
	for (size_t i = 0; i < KEV_SENDERS_MAX; i++) {
		if (senders->senders[i].started)
			pthread_join(senders->senders[i].thread, NULL);
		queue_fini(&senders->senders[i].kept);
		pthread_cond_destroy(&senders->senders[i].cond);
	}
	queue_fini(&senders->queue);
	free(senders->lost);
	pthread_cond_destroy(&senders->done);
	pthread_mutex_destroy(&senders->lock);
	free(senders);
}
