#include "ring/stage.h"

#include "base/mem.h"

struct stage_need stage_electorate(enum stage stage)
{
    return (struct stage_need){.now = true, .later = stage == STAGE_JOINT};
}

bool stage_takes(enum stage stage, const struct stage_member *m)
{
    return m->now || (stage != STAGE_SETTLED && m->later);
}

bool stage_answers(enum stage stage, const struct stage_member *m)
{
    struct stage_need need = stage_electorate(stage);
    return (need.now && m->now) || (need.later && m->later);
}

bool stage_mints(enum stage stage, const struct stage_member *m)
{
    (void)stage; /* who is only coming does not know what a request has done already */
    return m->now;
}

bool stage_is_fenced(uint64_t planned, uint64_t since)
{
    return planned < since;
}

/* Members that count for levels together: all of them, or those of a data centre. */
struct group {
    uint32_t now, later;
    uint32_t gone;    /* of now */
    uint32_t unheard; /* of those that stay */
};

static bool is_in(const struct stage_member *m, const struct stage_member *of)
{
    return of == NULL || m->dc == of->dc;
}

/* Of the data centre of `of`, NULL: of all. */
static struct group group_of(const struct stage_member *m, size_t count, const bool *heard,
                             const struct stage_member *of)
{
    struct group g = {0};
    for (size_t i = 0; i < count; i++) {
        if (!is_in(&m[i], of))
            continue;
        ASSERT(m[i].now || m[i].later);
        ASSERT(!(m[i].gone && m[i].later));
        g.now += m[i].now;
        g.later += m[i].later;
        g.gone += m[i].gone;
        g.unheard += m[i].now && m[i].later && heard != NULL && !heard[i];
    }
    return g;
}

static uint32_t majority(uint32_t n)
{
    return n / 2 + 1;
}

static bool is_lossy(struct group g)
{
    return g.gone > 0 && g.gone >= majority(g.now);
}

/* Where as many come as leave, and those who leave are heard, a write is on as many of later as of
 * now, whoever has not been heard: he keeps his place. Where the sets differ in size, each that a
 * quorum is sure to meet must have one who was heard. And of what one who is gone had, the only
 * other copy may be with anybody. */
static bool has_heard(struct group g, bool consent)
{
    if (is_lossy(g) && !consent)
        return false;
    if (g.unheard == 0 || (g.gone == 0 && g.now == g.later))
        return true;
    return (g.gone == 0 || consent) && g.gone + g.unheard < g.now - majority(g.now) + 1;
}

bool stage_is_prover(const struct stage_member *m, size_t count, size_t which)
{
    struct group all = group_of(m, count, NULL, NULL);
    struct group own = group_of(m, count, NULL, &m[which]);
    return m[which].later && (!m[which].now || all.later < all.now || own.later < own.now);
}

bool stage_heard_enough(const struct stage_member *m, size_t count, const bool *heard, bool consent)
{
    for (size_t i = 0; i < count; i++) {
        if (m[i].now && !m[i].later && !m[i].gone && !heard[i])
            return false;
        if (!has_heard(group_of(m, count, heard, &m[i]), consent))
            return false;
    }
    return has_heard(group_of(m, count, heard, NULL), consent);
}

bool stage_needs_consent(const struct stage_member *m, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_lossy(group_of(m, count, NULL, &m[i])))
            return true;
    }
    return is_lossy(group_of(m, count, NULL, NULL));
}
