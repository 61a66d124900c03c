/* keep.c - a run as a fact, so that it goes on after a restart and is known when it is over.
 *
 *   name  = "a/run" u64 id
 *   value = u8 state, u8 flags (1 full, 2 preview), varint only, i64 began, i64 ended,
 *           varint parts, part*, varint problems in all, varint problems, problem*
 *   part  = u32 keyspace, vbytes name, u8 gone, vbytes tables, varint ranges, bits wanted, bits
 * done, varint equal, varint failed, vbytes sums (table 0: of all) problem = u32 keyspace, varint
 * range, varint peer, varint err, varint lacking
 */
#include "node/repair/repair_core.h"

#include <string.h>

#define NAME_PREFIX "a/run"
#define NAME_SIZE   (sizeof NAME_PREFIX - 1 + 8)
#define VALUE_MAX   ((size_t)16 << 20)

static struct bytes fact_name(uint8_t room[NAME_SIZE], uint64_t id)
{
    memcpy(room, NAME_PREFIX, sizeof NAME_PREFIX - 1);
    store_u64(room + sizeof NAME_PREFIX - 1, id);
    return bytes_make(room, NAME_SIZE);
}

/* --- writing */

static void put_bits(struct buf *out, const struct repair_part *p, bool done)
{
    uint8_t *bits = mem_alloc(BITS_BYTES(p->ranges));
    for (range_no i = 0; i < p->ranges; i++) {
        if (done ? p->state[i] == RANGE_DONE : p->state[i] != RANGE_NONE)
            bits_set(bits, i);
    }
    buf_put(out, bits, BITS_BYTES(p->ranges));
    mem_free(bits);
}

static void put_part(struct buf *out, const struct repair_part *p)
{
    struct buf tables, sums;
    struct repair_table all = {0, p->sums};
    buf_init(&tables, VALUE_MAX);
    buf_init(&sums, VALUE_MAX);
    repair_put_tables(&tables, p->tables, p->tables_count);
    repair_put_sums(&sums, &all, 1);
    repair_put_sums(&sums, p->by_table, p->by_table_count);
    buf_put_u32(out, p->keyspace);
    buf_put_vbytes(out, bytes_text(p->name));
    buf_put_u8(out, p->gone);
    buf_put_vbytes(out, buf_bytes(&tables));
    buf_put_varint(out, p->ranges);
    put_bits(out, p, false);
    put_bits(out, p, true);
    buf_put_varint(out, p->equal);
    buf_put_varint(out, p->failed);
    buf_put_vbytes(out, buf_bytes(&sums));
    buf_close(&tables);
    buf_close(&sums);
}

void keep_encode(const struct repair_run *run, struct buf *out)
{
    buf_put_u8(out, (uint8_t)run->state);
    buf_put_u8(out, (uint8_t)(run->full + 2 * run->preview));
    buf_put_varint(out, run->only);
    buf_put_i64(out, run->began);
    buf_put_i64(out, run->ended);
    buf_put_varint(out, run->parts_count);
    for (size_t i = 0; i < run->parts_count; i++)
        put_part(out, &run->parts[i]);
    buf_put_varint(out, run->problems_all);
    buf_put_varint(out, run->problems_count);
    for (size_t i = 0; i < run->problems_count; i++) {
        const struct repair_problem *p = &run->problems[i];
        buf_put_u32(out, p->keyspace);
        buf_put_varint(out, p->range);
        buf_put_varint(out, p->peer);
        buf_put_varint(out, (uint64_t)p->err);
        buf_put_varint(out, p->lacking);
    }
}

static uint64_t ranges_done(const struct repair_run *run)
{
    uint64_t done = 0;
    for (size_t i = 0; i < run->parts_count; i++)
        done += run->parts[i].done;
    return done;
}

void keep_store(struct repair *r, struct managed *m)
{
    uint8_t room[NAME_SIZE];
    struct buf value;
    buf_init(&value, VALUE_MAX);
    keep_encode(&m->run, &value);
    if (buf_finish(&value) == ERR_OK) { /* else it does not outlive us; it goes on all the same */
        m->ticket = REPAIR_TICKET | ++r->tickets;
        m->keeps = ranges_done(&m->run);
        engine_fact_put(r->engine, fact_name(room, m->run.id), buf_bytes(&value), m->ticket);
    }
    buf_close(&value);
}

void keep_durable(struct repair *r, uint64_t ticket)
{
    for (size_t i = 0; i < r->runs_count; i++) {
        if (r->runs[i]->ticket != ticket)
            continue;
        r->runs[i]->run.durable = true;
        r->runs[i]->run.kept = r->runs[i]->keeps;
    }
}

void keep_remove(struct repair *r, uint64_t id)
{
    uint8_t room[NAME_SIZE];
    engine_fact_delete(r->engine, fact_name(room, id), 0);
}

/* --- reading */

static enum err read_tables(struct reader *in, struct arena *arena, struct repair_part *p)
{
    table_no *tables;
    struct bytes encoded = read_vbytes(in);
    enum err err = repair_read_tables(encoded, arena, &tables, &p->tables_count);
    if (err != ERR_OK)
        p->tables_count = 0;
    else
        p->tables = mem_copy(tables, p->tables_count * sizeof *tables);
    return err;
}

static enum err read_states(struct reader *in, struct managed *m, size_t part)
{
    struct repair_part *p = &m->run.parts[part];
    uint64_t ranges = read_varint(in);
    if (in->failed || ranges == 0 || ranges > RING_RANGES_MAX)
        return ERR_MALFORMED;
    struct bytes wanted = read_bytes(in, BITS_BYTES(ranges));
    struct bytes done = read_bytes(in, BITS_BYTES(ranges));
    if (in->failed)
        return ERR_MALFORMED;
    p->ranges = (uint32_t)ranges;
    p->state = mem_alloc(p->ranges);
    m->tries[part] = mem_alloc(p->ranges);
    for (range_no i = 0; i < p->ranges; i++) {
        bool is_done = bits_have(done.data, i), is_wanted = is_done || bits_have(wanted.data, i);
        p->state[i] = is_done ? RANGE_DONE : is_wanted ? RANGE_WANTED : RANGE_NONE;
        p->wanted += is_wanted;
        p->done += is_done;
    }
    return ERR_OK;
}

static enum err read_sums(struct reader *in, struct arena *arena, struct repair_part *p)
{
    struct repair_table *sums;
    size_t count;
    struct bytes encoded = read_vbytes(in);
    enum err err = repair_read_sums(encoded, arena, &sums, &count);
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        if (sums[i].table == 0)
            p->sums = sums[i].sums;
        else
            *repair_sums_of(&p->by_table, &p->by_table_count, &p->by_table_cap, sums[i].table) =
                sums[i].sums;
    }
    return err;
}

static enum err read_part(struct reader *in, struct arena *arena, struct managed *m, size_t part)
{
    struct repair_part *p = &m->run.parts[part];
    p->keyspace = read_u32(in);
    struct bytes name = read_vbytes(in);
    p->gone = read_u8(in) != 0;
    if (in->failed || name.len >= sizeof p->name)
        return ERR_MALFORMED;
    memcpy(p->name, name.data, name.len);
    enum err err = read_tables(in, arena, p);
    if (err == ERR_OK)
        err = read_states(in, m, part);
    if (err != ERR_OK)
        return err;
    uint64_t equal = read_varint(in), failed = read_varint(in);
    if (in->failed || equal > p->ranges || failed > p->ranges)
        return ERR_MALFORMED;
    p->equal = (uint32_t)equal;
    p->failed = (uint32_t)failed;
    return read_sums(in, arena, p);
}

static enum err read_problems(struct reader *in, struct repair_run *run)
{
    run->problems_all = read_varint(in);
    uint64_t count = read_varint(in);
    if (in->failed || count > REPAIR_PROBLEMS_MAX)
        return ERR_MALFORMED;
    for (; run->problems_count < count && !in->failed; run->problems_count++) {
        struct repair_problem *p = &run->problems[run->problems_count];
        p->keyspace = read_u32(in);
        uint64_t range = read_varint(in), peer = read_varint(in), err = read_varint(in);
        if (range > UINT32_MAX || peer > UINT32_MAX || err >= ERR_COUNT)
            return ERR_MALFORMED;
        p->range = (range_no)range;
        p->peer = (node_no)peer;
        p->err = (enum err)err;
        p->lacking = read_varint(in);
    }
    return in->failed ? ERR_MALFORMED : ERR_OK;
}

enum err keep_decode(struct repair *r, struct bytes in, struct managed **ret)
{
    struct reader reader = reader_make(in);
    struct arena arena = {0};
    uint8_t state = read_u8(&reader), flags = read_u8(&reader);
    uint64_t only = read_varint(&reader);
    int64_t began = read_i64(&reader), ended = read_i64(&reader);
    uint64_t parts = read_varint(&reader);
    if (reader.failed || state > REPAIR_CANCELLED || only > UINT32_MAX || parts == 0 ||
        parts > REPAIR_PARTS_MAX)
        return ERR_MALFORMED;
    struct managed *m = manage_make(r, (size_t)parts);
    enum err err = ERR_OK;
    m->run.state = (enum repair_state)state;
    m->run.full = (flags & 1) != 0;
    m->run.preview = (flags & 2) != 0;
    m->run.only = (node_no)only;
    m->run.began = began;
    m->run.ended = ended;
    for (size_t i = 0; i < parts && err == ERR_OK; i++)
        err = read_part(&reader, &arena, m, i);
    if (err == ERR_OK)
        err = read_problems(&reader, &m->run);
    if (err == ERR_OK && !reader_done(&reader))
        err = ERR_MALFORMED;
    arena_close(&arena);
    if (err == ERR_OK)
        *ret = m;
    else
        manage_free(m);
    return err;
}

/* Facts come in the order of their names, that is of their numbers. One that cannot be read is left
 * where it is. */
void keep_load(struct repair *r)
{
    struct buf name, value;
    uint8_t after[NAME_SIZE];
    struct bytes at = BYTES_NONE;
    buf_init(&name, 4096);
    buf_init(&value, VALUE_MAX);
    while (r->runs_count < REPAIR_RUNS_MAX) {
        buf_clear(&name);
        buf_clear(&value);
        if (engine_fact_next(r->engine, BYTES_LIT(NAME_PREFIX), at, &name, &value) != ERR_OK ||
            name.len != NAME_SIZE)
            break;
        memcpy(after, name.data, NAME_SIZE);
        at = bytes_make(after, NAME_SIZE);
        uint64_t id = load_u64(after + sizeof NAME_PREFIX - 1);
        struct managed *m;
        if ((uint32_t)id > r->run_numbers)
            r->run_numbers = (uint32_t)id;
        if (keep_decode(r, buf_bytes(&value), &m) != ERR_OK)
            continue;
        m->run.id = id;
        m->run.durable = true;
        m->run.kept = ranges_done(&m->run);
        r->runs = mem_grow(r->runs, r->runs_count, &r->runs_cap, sizeof(struct managed *));
        memmove(r->runs + 1, r->runs, r->runs_count++ * sizeof(struct managed *));
        r->runs[0] = m;
    }
    buf_close(&name);
    buf_close(&value);
}
