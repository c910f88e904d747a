/* Any bytes as a file: whatever it is taken for, what is refused says why, and what a mount of it shows, a
 * replay can load. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "kevfs/base/log.h"
#include "kevfs/watch/dump.h"
#include "kevfs/watch/replay.h"
#include "kevfs/watch/unpack.h"

#define PACKED_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct place {
	struct kev_changes *changes;
	struct kev_store *store;
};

static void place_init(struct place *place)
{
	place->changes = kev_changes_create(1);
	check(place->changes != NULL, "no memory");
	place->store = kev_store_create(kev_clock_system(), place->changes);
	check(place->store != NULL, "no memory");
}

static void place_fini(struct place *place)
{
	kev_store_destroy(place->store);
	kev_changes_destroy(place->changes);
}

static void check_replay(const char *path, int loaded)
{
	struct kev_replay *replay = NULL;
	struct kev_error error = {""};
	struct place place;
	int r;

	place_init(&place);
	r = kev_replay_create(
		&(const struct kev_replay_config){
			.path = path, .speed = 1, .clock = kev_clock_system(), .store = place.store},
		&replay, &error);
	check((r == 0) == (replay != NULL) && (r == 0) == (error.text[0] == '\0'), "an error without a text");
	/* A list is none that can be played; whatever else can, can be shown. */
	check(r != 0 || loaded == 0, "played, but not shown");
	if (!r)
		check(kev_replay_load(replay, &error) == 0, "what was read once is not read again");
	kev_replay_destroy(replay);
	place_fini(&place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("dump", MFD_CLOEXEC), r;
	struct kev_error error = {""};
	struct place place;
	char path[32];

	/* A bomb is not watched to its end. */
	if (size > PACKED_MAX &&
		kev_unpack_guess((struct kev_str){(const char *)data, size}) != KEV_UNPACK_NONE) {
		close(fd);
		return 0;
	}
	kev_log_set_level(KEV_LOG_ERROR);
	check(fd >= 0 && write(fd, data, size) == (ssize_t)size, "no file");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	place_init(&place);
	r = kev_dump_load(path, place.store, NULL, &error);
	check((r == 0) == (error.text[0] == '\0'), "an error without a text");
	check(r == 0 || r == -EINVAL || r == -EBADMSG || r == -EOPNOTSUPP, "another error");
	check_replay(path, r);
	place_fini(&place);
	close(fd);
	return 0;
}
