#include "storage/gaps.h"

#include "base/mutant.h"

void gaps_init(struct gaps *g)
{
    *g = (struct gaps){.version = 1};
    for (size_t i = 0; i < GAPS_MAX; i++) {
        buf_init(&g->of[i].from, SIZE_MAX);
        buf_init(&g->of[i].to, SIZE_MAX);
    }
}

void gaps_close(struct gaps *g)
{
    for (size_t i = 0; i < GAPS_MAX; i++) {
        buf_close(&g->of[i].from);
        buf_close(&g->of[i].to);
    }
    g->count = 0;
}

static struct bytes from_of(const struct gap *at)
{
    return buf_bytes(&at->from);
}

static struct bytes to_of(const struct gap *at)
{
    return buf_bytes(&at->to);
}

/* How many begin at the key or below. */
static size_t begun_at(const struct gaps *g, struct bytes key)
{
    size_t low = 0, high = g->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (bytes_compare(from_of(&g->of[mid]), key) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct gap *gaps_at(const struct gaps *g, struct bytes key)
{
    size_t n = begun_at(g, key);
    return n > 0 && bytes_compare(key, to_of(&g->of[n - 1])) < 0 ? &g->of[n - 1] : NULL;
}

const struct gap *gaps_above(const struct gaps *g, struct bytes key)
{
    size_t n = begun_at(g, key);
    return n < g->count ? &g->of[n] : NULL;
}

const struct gap *gaps_before(const struct gaps *g, struct bytes key)
{
    size_t n = begun_at(g, key);
    return n > 0 && bytes_equal(key, to_of(&g->of[n - 1])) ? &g->of[n - 1] : NULL;
}

void gaps_use(struct gaps *g, const struct gap *gap)
{
    g->of[gap - g->of].used = ++g->uses;
}

static void set(struct gaps *g, struct buf *b, struct bytes key)
{
    g->bytes = g->bytes - b->len + key.len;
    buf_clear(b);
    buf_put_bytes(b, key);
}

/* Its place is closed up; its buffers go behind the last. */
static void drop(struct gaps *g, size_t at)
{
    struct gap gone = g->of[at];
    g->bytes -= gone.from.len + gone.to.len;
    buf_clear(&gone.from);
    buf_clear(&gone.to);
    for (g->count--; at < g->count; at++)
        g->of[at] = g->of[at + 1];
    g->of[g->count] = gone;
}

/* A place at `at`, of which the caller knows that there is room. */
static struct gap *insert(struct gaps *g, size_t at)
{
    struct gap fresh = g->of[g->count];
    for (size_t i = g->count++; i > at; i--)
        g->of[i] = g->of[i - 1];
    g->of[at] = fresh;
    return &g->of[at];
}

static void drop_least_used(struct gaps *g)
{
    size_t least = 0;
    for (size_t i = 1; i < g->count; i++) {
        if (g->of[i].used < g->of[least].used)
            least = i;
    }
    drop(g, least);
}

void gaps_add(struct gaps *g, struct bytes from, struct bytes to, uint64_t since, bool behind)
{
    struct buf low, high; /* what comes may be a view of what changes here */
    buf_init(&low, SIZE_MAX);
    buf_init(&high, SIZE_MAX);
    buf_put_bytes(&low, from);
    buf_put_bytes(&high, to);
    size_t at = begun_at(g, from);
    if (at > 0 && bytes_compare(to_of(&g->of[at - 1]), from) >= 0)
        at--;
    while (at < g->count && bytes_compare(from_of(&g->of[at]), buf_bytes(&high)) <= 0) {
        struct gap *met = &g->of[at];
        since = met->since > since ? met->since : since;
        int c = bytes_compare(from_of(met), buf_bytes(&low));
        behind = c < 0 ? met->behind : behind || (c == 0 && met->behind);
        if (c < 0) {
            buf_clear(&low);
            buf_put_bytes(&low, from_of(met));
        }
        if (bytes_compare(to_of(met), buf_bytes(&high)) > 0) {
            buf_clear(&high);
            buf_put_bytes(&high, to_of(met));
        }
        drop(g, at);
    }
    while (g->count > 0 && (g->count == GAPS_MAX || g->bytes + low.len + high.len > GAPS_BYTES_MAX))
        drop_least_used(g);
    struct gap *fresh = insert(g, begun_at(g, buf_bytes(&low)));
    set(g, &fresh->from, buf_bytes(&low));
    set(g, &fresh->to, buf_bytes(&high));
    fresh->since = since;
    fresh->behind = behind;
    fresh->used = ++g->uses;
    g->version++;
    buf_close(&low);
    buf_close(&high);
}

/* Of what is behind the key and before it the part behind stays when there is room for one only:
 * it is the longer one where new keys come behind those that are gone. */
void gaps_cut(struct gaps *g, struct bytes key)
{
    const struct gap *found = g->count > 0 ? gaps_at(g, key) : NULL;
    if (found == NULL || MUTANT(gap_not_cut))
        return;
    size_t at = (size_t)(found - g->of);
    bool before = bytes_compare(from_of(found), key) < 0;
    struct buf next; /* the smallest key above it */
    buf_init(&next, SIZE_MAX);
    buf_put_bytes(&next, key);
    buf_put_u8(&next, 0);
    if (bytes_equal(buf_bytes(&next), to_of(found))) {
        if (before)
            set(g, &g->of[at].to, key);
        else
            drop(g, at);
    } else {
        if (before && g->count < GAPS_MAX) {
            struct gap *first = insert(g, at++);
            set(g, &first->from, from_of(&g->of[at]));
            set(g, &first->to, key);
            first->since = g->of[at].since;
            first->behind = g->of[at].behind;
            first->used = g->of[at].used;
        }
        set(g, &g->of[at].from, buf_bytes(&next));
        g->of[at].behind = true;
    }
    g->version++;
    buf_close(&next);
}
