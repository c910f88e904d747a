#include "kevfs/tree/member_index.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct kev_member_key) == 6, "a million members have a million of them");

struct kev_member_key *kev_member_index_create(uint32_t room)
{
	struct kev_member_key *index = malloc((size_t)room * sizeof(*index));

	if (index)
		memset(index, 0xff, (size_t)room * sizeof(*index));
	return index;
}

void kev_member_index_insert(struct kev_member_key *index, uint32_t room, uint32_t hash, uint32_t slot)
{
	uint32_t at = kev_member_index_home(room, hash);

	while (index[at].slot != KEV_MEMBER_INDEX_NOWHERE)
		at = kev_member_index_behind(room, at);
	index[at] = (struct kev_member_key){.hash = kev_member_index_hash(hash), .slot = slot};
}

/* How far it is from one place in the ring to another. */
static uint32_t distance(uint32_t room, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + room - from;
}

/* No tombstones, no rebuilds: those behind it that it had displaced move. */
void kev_member_index_erase(struct kev_member_key *index, uint32_t room, uint32_t hash, uint32_t slot)
{
	uint32_t hole = kev_member_index_home(room, hash), at;

	while (index[hole].slot != slot)
		hole = kev_member_index_behind(room, hole);
	for (at = kev_member_index_behind(room, hole); index[at].slot != KEV_MEMBER_INDEX_NOWHERE;
		at = kev_member_index_behind(room, at)) {
		uint32_t home = kev_member_index_home(room, index[at].hash);

		if (distance(room, home, at) < distance(room, hole, at))
			continue;
		index[hole] = index[at];
		hole = at;
	}
	index[hole].slot = KEV_MEMBER_INDEX_NOWHERE;
}
