#include "gossip/formula.h"

#include <math.h>

#define MAX_OVER_MIN      6
#define PUSH_PULL_STRETCH 32

unsigned gossip_suspicion_confirmations(unsigned mult, size_t n)
{
    unsigned want = mult > 2 ? mult - 2 : 0;
    return n < (size_t)want + 2 ? 0 : want;
}

usec gossip_suspicion_min(unsigned mult, size_t n, usec probe_interval_us)
{
    double scale = n > 10 ? log10((double)n) : 1.0;
    double ms = (double)mult * scale * (double)probe_interval_us / (double)USEC_PER_MS;
    return (usec)llround(ms) * USEC_PER_MS;
}

usec gossip_suspicion_timeout(usec min_us, unsigned have, unsigned want)
{
    if (want == 0 || have >= want)
        return min_us;
    double max_us = (double)min_us * MAX_OVER_MIN;
    double share = log((double)have + 1) / log((double)want + 1);
    double us = max_us - share * (max_us - (double)min_us);
    usec rounded = (usec)llround(us / (double)USEC_PER_MS) * USEC_PER_MS;
    return rounded < min_us ? min_us : rounded;
}

/* ceil(log10(n + 1)) is the number of decimal digits of n: no need for floating point. */
unsigned gossip_retransmit_limit(unsigned mult, size_t n)
{
    unsigned digits = 0;
    for (; n > 0; n /= 10)
        digits++;
    return mult * digits;
}

/* ceil(log2 n - log2 32) + 1 */
unsigned gossip_push_pull_scale(size_t n)
{
    unsigned scale = 1;
    for (size_t reach = PUSH_PULL_STRETCH; reach < n && scale < 32; reach *= 2)
        scale++;
    return scale;
}
