/* The clocks of a machine. Both run at the same speed, as those of one oscillator do; the wall
 * clock can be set, the monotonic one cannot. */
#include "node/sim/core.h"

#define MONO_APART (1000 * USEC_PER_SEC) /* monotonic clocks of machines have nothing in common */
#define MILLION    1000000
#define FAR        (USEC_NEVER / (4 * (usec)MILLION)) /* nobody waits for so long */

static int64_t speed(const struct clocks *c)
{
    return MILLION + c->ppm;
}

void clocks_init(struct clocks *c, unsigned node)
{
    c->since = 0;
    c->mono = MONO_APART * (usec)node;
    c->wall = SIM_WALL - c->mono;
    c->ppm = 0;
}

struct now clocks_read(const struct clocks *c, usec time)
{
    usec passed = time - c->since;
    usec own = passed / MILLION * speed(c) + passed % MILLION * speed(c) / MILLION;
    return (struct now){c->mono + own, c->mono + own + c->wall};
}

usec clocks_when(const struct clocks *c, usec mono)
{
    if (mono <= c->mono)
        return c->since;
    usec own = mono - c->mono;
    if (own > FAR)
        return USEC_NEVER;
    usec rest = own % speed(c) * MILLION;
    return c->since + own / speed(c) * MILLION + (rest + speed(c) - 1) / speed(c);
}

void sim_set_clock(struct sim *s, unsigned node, usec offset_us)
{
    struct clocks *c = &machine_of(s, node)->clocks;
    c->wall += SIM_WALL + s->time + offset_us - clocks_read(c, s->time).wall;
}

void sim_jump_clock(struct sim *s, unsigned node, usec by_us)
{
    machine_of(s, node)->clocks.wall += by_us;
}

void sim_drift_clock(struct sim *s, unsigned node, int32_t ppm)
{
    struct machine *m = machine_of(s, node);
    ASSERT(ppm >= -SIM_DRIFT_MAX);
    ASSERT(ppm <= SIM_DRIFT_MAX);
    m->clocks.mono = clocks_read(&m->clocks, s->time).mono;
    m->clocks.since = s->time;
    m->clocks.ppm = ppm;
    m->deadline = clocks_when(&m->clocks, m->deadline_mono);
}

struct now sim_clock(const struct sim *s, unsigned node)
{
    return clocks_read(&machine_of(s, node)->clocks, s->time);
}
