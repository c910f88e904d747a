#include "check_skew.h"

#include "kevfs/base/defs.h"

/* A date beyond this, either way, is no clock's. */
#define DATE_MAX 9000000000LL

void kev_check_skew_add(struct kev_check_skew *skew, int64_t sent, int64_t came, int64_t date)
{
	int64_t low, high;

	if (date <= 0 || date > DATE_MAX || came < sent)
		return;
	low = date * KEV_NS_PER_SEC - came;
	high = (date + 1) * KEV_NS_PER_SEC - sent;
	if (skew->known) {
		low = low > skew->low ? low : skew->low;
		high = high < skew->high ? high : skew->high;
	}
	/* What contradicts itself comes from a clock that was set meanwhile: the newest counts. */
	if (low > high) {
		low = date * KEV_NS_PER_SEC - came;
		high = (date + 1) * KEV_NS_PER_SEC - sent;
	}
	*skew = (struct kev_check_skew){true, low, high};
}

int64_t kev_check_skew_least(const struct kev_check_skew *skew)
{
	if (!skew->known)
		return 0;
	if (skew->low > 0)
		return skew->low;
	return skew->high < 0 ? skew->high : 0;
}
