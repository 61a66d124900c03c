/* stage_heard_enough against what it stands for: when it says yes, whatever a level had told of
 * before is met by every read of later that met it then. All sets of five nodes, in one data centre
 * and in two. */
#include "ring/stage.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define NODES 5u
#define SETS  (1u << NODES)

enum level { ONE, TWO, THREE, QUORUM, ALL, LOCAL, EACH, LEVELS };

static unsigned first_dc = NODES; /* so many nodes are in the first data centre */

static unsigned bits(unsigned set)
{
    return (unsigned)__builtin_popcount(set);
}

static unsigned dc_of(unsigned set, unsigned dc)
{
    unsigned first = (1u << first_dc) - 1;
    return set & (dc == 0 ? first : ~first);
}

static bool has_most(unsigned of, unsigned got)
{
    return of == 0 || bits(of & got) > bits(of) / 2;
}

static bool is_met(enum level level, unsigned of, unsigned got)
{
    unsigned n = bits(of & got);
    switch (level) {
    case ONE: return n >= 1;
    case TWO: return n >= 2;
    case THREE: return n >= 3;
    case QUORUM: return has_most(of, got);
    case ALL: return n == bits(of);
    case LOCAL: return dc_of(of, 0) != 0 && has_most(dc_of(of, 0), got);
    case EACH: return has_most(dc_of(of, 0), got) && has_most(dc_of(of, 1), got);
    case LEVELS: break;
    }
    return false;
}

/* The sets that meet it, and of which no part does. */
static size_t least_sets(enum level level, unsigned of, unsigned ret[SETS])
{
    size_t count = 0;
    for (unsigned set = 1; set < SETS; set++) {
        bool least = (set & ~of) == 0 && is_met(level, of, set);
        for (unsigned n = 0; n < NODES && least; n++)
            least = (set >> n & 1) == 0 || !is_met(level, of, set & ~(1u << n));
        if (least)
            ret[count++] = set;
    }
    return count;
}

/* Each write of the one level and each read of the other have a replica in common. */
static bool overlap(enum level write, enum level read, unsigned of)
{
    unsigned w[SETS], r[SETS];
    size_t writes = least_sets(write, of, w), reads = least_sets(read, of, r);
    for (size_t i = 0; i < writes; i++) {
        for (size_t j = 0; j < reads; j++) {
            if ((w[i] & r[j]) == 0)
                return false;
        }
    }
    return writes > 0 && reads > 0;
}

struct move {
    unsigned now, later, gone, heard, provers;
};

/* The write lay on this set. What lay on those that are gone alone is lost with them. */
static bool is_met_by_all(const struct move *m, unsigned wrote, const unsigned *reads, size_t count)
{
    unsigned have = wrote & m->later;
    if ((wrote & m->heard) != 0)
        have |= m->provers;
    if ((wrote & ~m->gone) == 0)
        return true;
    for (size_t i = 0; i < count; i++) {
        if ((reads[i] & have) == 0)
            return false;
    }
    return true;
}

static bool keeps(const struct move *m, enum level write, enum level read)
{
    unsigned w[SETS], r[SETS];
    size_t writes = least_sets(write, m->now, w), reads = least_sets(read, m->later, r);
    for (size_t i = 0; i < writes; i++) {
        if (!is_met_by_all(m, w[i], r, reads)) {
            printf("    now %x later %x gone %x heard %x: written at %d on %x\n", m->now, m->later,
                   m->gone, m->heard, (int)write, w[i]);
            return false;
        }
    }
    return true;
}

/* What stage.h says of it. */
static bool is_enough(struct move *m)
{
    struct stage_member member[NODES];
    bool heard[NODES];
    size_t count = 0;
    for (unsigned n = 0; n < NODES; n++) {
        if (((m->now | m->later) >> n & 1) == 0)
            continue;
        heard[count] = m->heard >> n & 1;
        member[count++] = (struct stage_member){.node = n + 1,
                                                .dc = n >= first_dc,
                                                .now = m->now >> n & 1,
                                                .later = m->later >> n & 1,
                                                .gone = m->gone >> n & 1};
    }
    m->provers = 0;
    for (size_t i = 0; i < count; i++)
        m->provers |= (unsigned)stage_is_prover(member, count, i) << (member[i].node - 1);
    return stage_heard_enough(member, count, heard, false);
}

static size_t look_at(unsigned now, unsigned later, bool overlaps[LEVELS][LEVELS])
{
    size_t wrong = 0;
    for (unsigned gone = 0; gone < SETS; gone++) {
        for (unsigned heard = 0; heard < SETS; heard++) {
            struct move m = {.now = now, .later = later, .gone = gone, .heard = heard};
            if ((gone & ~(now & ~later)) != 0 || (heard & ~(now & ~gone)) != 0 || !is_enough(&m))
                continue;
            for (int w = 0; w < LEVELS; w++) {
                for (int r = 0; r < LEVELS; r++)
                    wrong += overlaps[w][r] && !keeps(&m, (enum level)w, (enum level)r);
            }
        }
    }
    return wrong;
}

static size_t all_moves(unsigned of_first_dc)
{
    size_t wrong = 0;
    first_dc = of_first_dc;
    for (unsigned now = 1; now < SETS; now++) {
        for (unsigned later = 1; later < SETS; later++) {
            bool overlaps[LEVELS][LEVELS];
            for (int w = 0; w < LEVELS; w++) {
                for (int r = 0; r < LEVELS; r++)
                    overlaps[w][r] = overlap((enum level)w, (enum level)r, now) &&
                                     overlap((enum level)w, (enum level)r, later);
            }
            wrong += look_at(now, later, overlaps);
        }
    }
    return wrong;
}

static void enough_is_enough(void)
{
    CU_ASSERT_EQUAL(all_moves(NODES), 0);
    CU_ASSERT_EQUAL(all_moves(3), 0);
}

/* It is not only safe: what is named in docs/movement.md goes on. */
static void no_more_than_enough(void)
{
    static const struct {
        const char *what;
        unsigned now, later, gone, heard;
        bool enough;
    } rows[] = {
        {"all are heard", 0x07, 0x0e, 0, 0x07, true},
        {"who stays is away", 0x07, 0x0e, 0, 0x03, true},
        {"both who stay are away", 0x07, 0x0e, 0, 0x01, true},
        {"who leaves is away", 0x07, 0x0e, 0, 0x06, false},
        {"who leaves is gone", 0x07, 0x0e, 0x01, 0x06, true},
        {"who leaves is gone, one is away", 0x07, 0x0e, 0x01, 0x04, false},
        {"two of three are gone", 0x07, 0x1c, 0x03, 0x04, false},
        {"the only copy is gone", 0x01, 0x02, 0x01, 0x00, false},
        {"more copies, one is away", 0x07, 0x1f, 0, 0x03, true},
        {"more copies, two are away", 0x07, 0x1f, 0, 0x01, false},
        {"one copy more for one", 0x01, 0x03, 0, 0x01, true},
    };
    first_dc = NODES;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct move m = {rows[i].now, rows[i].later, rows[i].gone, rows[i].heard, 0};
        bool enough = is_enough(&m);
        if (enough != rows[i].enough)
            printf("    %s\n", rows[i].what);
        CU_ASSERT_EQUAL(enough, rows[i].enough);
    }
}

CU_TestInfo heard_tests[] = {
    {"what is enough is enough", enough_is_enough},
    {"and no more than that is asked for", no_more_than_enough},
    CU_TEST_INFO_NULL,
};
