/* metalog.c - the log of this node: stores, durability, applying, snapshots, loading.
 *
 * Facts:
 *   meta/log/<slot, 16 hex digits>   entry                        (command.h)
 *   meta/snapshot                    state                        (state.c)
 *   meta/acceptor                    u64 slot, register           (paxos.h)
 *   meta/life                        u32, counts the starts
 *   meta/outdated                    (generation.c)
 *
 * There is one acceptor register, for slot applied + 1. It may be forgotten when that slot is
 * applied, because its entry is then durable here, and whoever asks about it again is told the
 * entry; never before. So the register of a later slot is never stored while an entry before it is
 * missing.
 */
#include "node/meta/internal.h"

#include "base/mutant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE     32
#define LOG_PREFIX    "meta/log/"
#define NAME_SNAPSHOT "meta/snapshot"
#define NAME_ACCEPTOR "meta/acceptor"
#define NAME_LIFE     "meta/life"

struct stored {
    uint64_t slot;
    struct bytes value;
};

static const char *entry_name(uint64_t slot, char ret[NAME_SIZE])
{
    snprintf(ret, NAME_SIZE, LOG_PREFIX "%016" PRIx64, slot);
    return ret;
}

static bool entry_slot(struct bytes name, uint64_t *ret)
{
    struct bytes prefix = BYTES_LIT(LOG_PREFIX);
    uint64_t slot = 0;
    if (name.len != prefix.len + 16 || !bytes_starts_with(name, prefix))
        return false;
    for (size_t i = prefix.len; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        slot = slot << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = slot;
    return true;
}

static void push_entry(struct meta *m, struct bytes bytes, uint64_t ticket)
{
    m->log = mem_grow(m->log, m->count, &m->cap, sizeof m->log[0]);
    m->log[m->count++] =
        (struct log_entry){bytes_make(mem_copy(bytes.data, bytes.len), bytes.len), ticket};
}

static void drop_entries(struct meta *m, size_t count)
{
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        mem_free((void *)(uintptr_t)m->log[i].bytes.data);
    m->count -= count;
    m->first += count;
    memmove(m->log, m->log + count, m->count * sizeof m->log[0]);
}

static enum err corrupt(struct errmsg *reterr, const char *name, enum err err)
{
    if (err == ERR_UNSUPPORTED)
        return errmsg_set(reterr, err, "%s was written by another version", name);
    return errmsg_set(reterr, ERR_CORRUPT, "%s cannot be read", name);
}

static void sort_stored(struct stored *s, size_t count)
{
    for (size_t gap = count / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < count; i++) {
            for (size_t j = i; j >= gap && s[j - gap].slot > s[j].slot; j -= gap) {
                struct stored swap = s[j];
                s[j] = s[j - gap];
                s[j - gap] = swap;
            }
        }
    }
}

/* Keep the run of entries that reaches up to the snapshot and beyond it; what stands apart was cut
 * off by a snapshot from elsewhere, or by a crash while entries were removed. */
static enum err load_entries(struct meta *m, const struct stored *s, size_t count,
                             struct errmsg *reterr)
{
    uint64_t base = metalog_applied(m);
    size_t low = 0;
    while (low < count && s[low].slot <= base)
        low++;
    size_t high = low;
    while (high < count && s[high].slot == base + 1 + (high - low))
        high++;
    size_t begin = low;
    while (begin > 0 && s[begin - 1].slot == base - (low - begin))
        begin--;
    m->first = base + 1 - (low - begin);
    for (size_t i = begin; i < high; i++)
        push_entry(m, s[i].value, 0);
    m->orphans = mem_alloc((count + 1) * sizeof m->orphans[0]);
    for (size_t i = 0; i < count; i++) {
        if (i < begin || i >= high)
            m->orphans[m->orphans_count++] = s[i].slot;
    }
    m->removed = m->first - 1;
    while (metalog_applied(m) < metalog_last(m)) {
        struct state_change change;
        struct bytes entry = m->log[metalog_applied(m) + 1 - m->first].bytes;
        enum err err = state_apply(&m->state, entry, &change);
        if (err != ERR_OK)
            return corrupt(reterr, "an entry of the metadata log", err);
    }
    return ERR_OK;
}

static enum err load_acceptor(struct meta *m, struct bytes value, struct errmsg *reterr)
{
    struct reader in = reader_make(value);
    uint64_t slot = read_u64(&in);
    enum err err = paxos_acceptor_decode(&in, &m->acceptor);
    if (err != ERR_OK || !reader_done(&in))
        return corrupt(reterr, NAME_ACCEPTOR, ERR_CORRUPT);
    if (slot > metalog_applied(m) + 1)
        return errmsg_set(reterr, ERR_CORRUPT, "the metadata log has lost its end");
    if (slot <= metalog_applied(m) || MUTANT(promise_forgotten))
        paxos_acceptor_reset(&m->acceptor);
    m->round = m->acceptor.promised.round;
    return ERR_OK;
}

static enum err load_snapshot(struct meta *m, const struct meta_fact *facts, size_t count,
                              struct errmsg *reterr)
{
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal_text(facts[i].name, NAME_SNAPSHOT))
            continue;
        enum err err = state_decode(facts[i].value, &m->state);
        if (err == ERR_OK)
            m->snapshot_slot = metalog_applied(m);
        return err == ERR_OK ? ERR_OK : corrupt(reterr, NAME_SNAPSHOT, err);
    }
    state_init(&m->state);
    return ERR_OK;
}

enum err metalog_load(struct meta *m, const struct meta_fact *facts, size_t count,
                      struct errmsg *reterr)
{
    enum err err = load_snapshot(m, facts, count, reterr);
    struct bytes acceptor = BYTES_NONE;
    struct stored *entries = mem_alloc((count + 1) * sizeof entries[0]);
    size_t n = 0;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        uint64_t slot;
        if (entry_slot(facts[i].name, &slot))
            entries[n++] = (struct stored){slot, facts[i].value};
        else if (bytes_equal_text(facts[i].name, NAME_ACCEPTOR))
            acceptor = facts[i].value;
        else if (generation_load(m, &facts[i]))
            continue;
        else if (bytes_equal_text(facts[i].name, NAME_LIFE)) {
            struct reader in = reader_make(facts[i].value);
            m->life = read_u32(&in);
            if (!reader_done(&in))
                err = corrupt(reterr, NAME_LIFE, ERR_CORRUPT);
        }
    }
    sort_stored(entries, n);
    if (err == ERR_OK)
        err = load_entries(m, entries, n, reterr);
    if (err == ERR_OK && acceptor.len > 0)
        err = load_acceptor(m, acceptor, reterr);
    mem_free(entries);
    return err;
}

void metalog_start(struct meta *m)
{
    char name[NAME_SIZE];
    uint8_t life[4];
    for (size_t i = 0; i < m->orphans_count; i++)
        (void)effect_store(m, entry_name(m->orphans[i], name), BYTES_NONE);
    m->orphans_count = 0;
    m->life++;
    store_u32(life, m->life);
    m->life_ticket = effect_store(m, NAME_LIFE, bytes_make(life, sizeof life));
}

void metalog_close(struct meta *m)
{
    drop_entries(m, m->count);
    mem_free(m->log);
    mem_free(m->orphans);
    mem_free((void *)(uintptr_t)m->incoming.data);
    state_close(&m->state);
}

void metalog_store_acceptor(struct meta *m)
{
    struct buf b;
    buf_init(&b, PAXOS_VALUE_MAX + 64);
    buf_put_u64(&b, metalog_applied(m) + 1);
    paxos_acceptor_encode(&m->acceptor, &b);
    ASSERT(!b.failed);
    (void)effect_store(m, NAME_ACCEPTOR, buf_bytes(&b));
    buf_close(&b);
}

void metalog_learn(struct meta *m, uint64_t slot, struct bytes entry)
{
    char name[NAME_SIZE];
    if (slot != metalog_last(m) + 1 || entry.len == 0 || entry.len > PAXOS_VALUE_MAX ||
        metalog_last(m) - metalog_applied(m) >= LOG_AHEAD_MAX)
        return;
    push_entry(m, entry, effect_store(m, entry_name(slot, name), entry));
}

static void forget_entries(struct meta *m, uint64_t last)
{
    char name[NAME_SIZE];
    for (; m->removed < last; m->removed++)
        (void)effect_store(m, entry_name(m->removed + 1, name), BYTES_NONE);
}

/* Entries that the snapshot holds are kept for others until there are enough of later ones. */
static void truncate_log(struct meta *m)
{
    uint64_t keep_from = m->snapshot_slot > LOG_KEEP ? m->snapshot_slot - LOG_KEEP + 1 : 1;
    if (keep_from <= m->first)
        return;
    forget_entries(m, keep_from - 1);
    drop_entries(m, keep_from - m->first);
}

static void take_snapshot(struct meta *m)
{
    struct buf b;
    if (metalog_applied(m) < m->snapshot_slot + SNAPSHOT_EVERY || m->snapshot_ticket != 0 ||
        m->incoming_ticket != 0)
        return;
    buf_init(&b, STATE_BYTES_MAX);
    state_encode(&m->state, &b);
    if (!b.failed) { /* else the log just stays long */
        m->snapshot_ticket = effect_store(m, NAME_SNAPSHOT, buf_bytes(&b));
        m->snapshot_next = metalog_applied(m);
    }
    buf_close(&b);
}

/* Everything that looks at the state or at the slot after it. */
static void tell_applied(struct meta *m)
{
    proposing_applied(m);
    forming_applied(m);
    generation_applied(m);
    recover_applied(m);
    catchup_applied(m);
    proposing_pump(m);
    wanted_progress(m);
}

static void apply_entries(struct meta *m)
{
    bool any = false;
    while (metalog_applied(m) < metalog_last(m) && !m->is_stuck) {
        const struct log_entry *e = &m->log[metalog_applied(m) + 1 - m->first];
        struct state_change change;
        if (e->ticket > m->durable)
            break;
        if (state_apply(&m->state, e->bytes, &change) != ERR_OK) {
            effect_problem(m, "slot %" PRIu64 " of the metadata log needs another version of Torc",
                           metalog_applied(m) + 1);
            m->is_stuck = true;
            break;
        }
        effect_applied(m, &change);
        any = true;
    }
    if (any) {
        take_snapshot(m);
        tell_applied(m);
    }
}

void metalog_learn_snapshot(struct meta *m, uint64_t slot, struct bytes snapshot)
{
    struct state s;
    if (slot <= metalog_last(m) || m->incoming_ticket != 0 || snapshot.len > STATE_BYTES_MAX ||
        m->is_stuck)
        return;
    if (state_decode(snapshot, &s) != ERR_OK) {
        effect_problem(m, "a snapshot of the metadata at slot %" PRIu64 " cannot be read", slot);
        return;
    }
    bool fits = s.topology.epoch == slot && uuid_equal(&s.topology.cluster_id, &m->cluster);
    state_close(&s);
    if (!fits)
        return;
    m->incoming = bytes_make(mem_copy(snapshot.data, snapshot.len), snapshot.len);
    m->incoming_slot = slot;
    m->incoming_ticket = effect_store(m, NAME_SNAPSHOT, snapshot);
}

static void install_incoming(struct meta *m)
{
    struct state s;
    if (m->incoming_slot > metalog_applied(m)) {
        enum err err = state_decode(m->incoming, &s);
        ASSERT(err == ERR_OK); /* it was when it came */
        state_close(&m->state);
        m->state = s;
        forget_entries(m, metalog_last(m));
        drop_entries(m, m->count);
        m->first = m->incoming_slot + 1;
        m->removed = m->incoming_slot;
        struct state_change all = {META_CHANGED_SCHEMA | META_CHANGED_NODES | META_CHANGED_RING,
                                   ERR_OK, 0, 0};
        effect_applied(m, &all);
    }
    m->snapshot_slot = m->incoming_slot;
    mem_free((void *)(uintptr_t)m->incoming.data);
    m->incoming = BYTES_NONE;
    m->incoming_ticket = 0;
    tell_applied(m);
}

void metalog_durable(struct meta *m)
{
    if (m->snapshot_ticket != 0 && m->snapshot_ticket <= m->durable) {
        m->snapshot_ticket = 0;
        if (m->snapshot_next > m->snapshot_slot) {
            m->snapshot_slot = m->snapshot_next;
            truncate_log(m);
        }
    }
    apply_entries(m);
    if (m->incoming_ticket != 0 && m->incoming_ticket <= m->durable)
        install_incoming(m);
}

/* Answer a FETCH: the entries from `slot` on, as many as go into a message, or the state. */
void metalog_send_from(struct meta *m, uint64_t slot, const struct endpoint *to)
{
    struct wire_message w = {.type = WIRE_META_ENTRIES};
    struct buf b;
    if (slot == 0 || slot > metalog_applied(m)) {
        if (metalog_applied(m) > 0)
            catchup_say(m, to, false);
        return;
    }
    w.meta_entries.cluster = m->cluster;
    buf_init(&b, STATE_BYTES_MAX);
    if (slot < m->first) {
        state_encode(&m->state, &b);
        if (b.failed)
            effect_problem(m, "the metadata is too large to be sent to a node that lacks it");
        w.meta_entries.slot = metalog_applied(m);
        w.meta_entries.snapshot = arena_copy(&m->arena, buf_bytes(&b));
    } else {
        w.meta_entries.slot = slot;
        for (; slot <= metalog_applied(m) && b.len < FETCH_BYTES_MAX; slot++) {
            uint64_t at = MUTANT(first_entry_again) ? w.meta_entries.slot : slot;
            buf_put_vbytes(&b, m->log[at - m->first].bytes);
            w.meta_entries.count++;
        }
        w.meta_entries.values = arena_copy(&m->arena, buf_bytes(&b));
    }
    if (!b.failed)
        effect_send(m, to, &w);
    buf_close(&b);
}
