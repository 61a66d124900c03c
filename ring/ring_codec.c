/* The bytes of a ring. Do not renumber.
 *
 *   ring   := version log2(Q) nodes tables
 *   nodes  := count count*(number-delta weight dc rack)    ascending; delta to the one before
 *   tables := count count*(number table)                   1 to RING_TABLES_MAX, ascending
 *   table  := a row for each data centre, in order of name
 *   row    := 0 | 1 entry... covering Q ranges             0: nobody owns anything
 *   entry  := node, as its place among the nodes; after the same twice: how many more follow
 *
 *   diff   := version log2(Q) came changes                 what ring_extend adds
 *   came   := nodes                                        new ones, and changed ones
 *   changes:= per data centre of the result: 0 | 1 count count*(gap node)
 *             against the row of that data centre in the newest table of `from`. The node is its
 *             place among those of the result.
 *
 * version, log2(Q), the count of tables and the 0 or 1 are single bytes, other numbers varints,
 * names vbytes.
 */
#include "base/mem.h"
#include "ring/ring.h"

#include <stdlib.h>
#include <string.h>

#define CODEC_VERSION 2

static void put_name(struct buf *out, const char *name)
{
    buf_put_vbytes(out, bytes_text(name));
}

static void put_nodes(struct buf *out, const struct ring_node *nodes, uint32_t count)
{
    node_no before = 0;
    buf_put_varint(out, count);
    for (uint32_t i = 0; i < count; i++) {
        buf_put_varint(out, nodes[i].node - before);
        buf_put_varint(out, nodes[i].weight);
        put_name(out, nodes[i].dc);
        put_name(out, nodes[i].rack);
        before = nodes[i].node;
    }
}

static uint64_t index_of(const struct ring *ring, node_no node)
{
    return (uint64_t)(ring_find(ring, node) - ring->node);
}

static void put_row(struct buf *out, const struct ring *ring, const node_no *row)
{
    buf_put_u8(out, row[0] != 0);
    for (range_no r = 0; r < ring->ranges && row[0] != 0;) {
        uint32_t run = 1;
        while (r + run < ring->ranges && row[r + run] == row[r])
            run++;
        buf_put_varint(out, index_of(ring, row[r]));
        if (run > 1) {
            buf_put_varint(out, index_of(ring, row[r]));
            buf_put_varint(out, run - 2);
        }
        r += run;
    }
}

static void put_head(struct buf *out, const struct ring *ring)
{
    buf_put_u8(out, CODEC_VERSION);
    buf_put_u8(out, (uint8_t)__builtin_ctz(ring->ranges));
}

void ring_encode(const struct ring *ring, struct buf *out)
{
    put_head(out, ring);
    put_nodes(out, ring->node, ring->nodes);
    buf_put_u8(out, (uint8_t)ring->tables);
    for (uint32_t t = 0; t < ring->tables; t++) {
        buf_put_varint(out, ring->table[t].number);
        for (uint32_t dc = 0; dc < ring->dcs; dc++)
            put_row(out, ring, ring->table[t].owner + (size_t)dc * ring->ranges);
    }
}

static bool get_name(struct reader *r, char ret_name[RING_NAME_SIZE])
{
    struct bytes b = read_vbytes(r);
    if (r->failed || b.len == 0 || b.len >= RING_NAME_SIZE || memchr(b.data, 0, b.len) != NULL)
        return false;
    memset(ret_name, 0, RING_NAME_SIZE);
    memcpy(ret_name, b.data, b.len);
    return true;
}

/* At most RING_NODES_MAX of them into ret_nodes. */
static bool get_nodes(struct reader *r, struct ring_node *ret_nodes, uint32_t *ret_count)
{
    uint64_t count = read_varint(r);
    uint64_t number = 0;
    if (r->failed || count > RING_NODES_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t delta = read_varint(r);
        uint64_t weight = read_varint(r);
        if (r->failed || delta == 0 || delta > UINT32_MAX - number || weight > RING_WEIGHT_MAX)
            return false;
        number += delta;
        ret_nodes[i].node = (node_no)number;
        ret_nodes[i].weight = (uint32_t)weight;
        if (!get_name(r, ret_nodes[i].dc) || !get_name(r, ret_nodes[i].rack))
            return false;
    }
    *ret_count = (uint32_t)count;
    return true;
}

static enum err get_head(struct reader *r, uint32_t *ret_ranges)
{
    uint8_t version = read_u8(r);
    uint8_t bits = read_u8(r);
    if (r->failed || version == 0)
        return ERR_MALFORMED;
    if (version != CODEC_VERSION)
        return ERR_UNSUPPORTED;
    if (bits > 31 || !ring_ranges_valid((uint64_t)1 << bits))
        return ERR_MALFORMED;
    *ret_ranges = (uint32_t)1 << bits;
    return ERR_OK;
}

static bool get_row(struct reader *r, const struct ring *ring, node_no *row)
{
    uint8_t owned = read_u8(r);
    uint32_t at = 0;
    uint64_t last = UINT64_MAX;
    if (r->failed || owned > 1)
        return false;
    while (owned == 1 && at < ring->ranges) {
        uint64_t index = read_varint(r);
        if (r->failed || index >= ring->nodes)
            return false;
        row[at++] = ring->node[index].node;
        uint64_t more = index == last ? read_varint(r) : 0;
        if (r->failed || more > ring->ranges - at)
            return false;
        for (; more > 0; more--)
            row[at++] = ring->node[index].node;
        last = index == last ? UINT64_MAX : index;
    }
    return true;
}

/* The row of a data centre in the table that is added to `from`; of `ring` only the nodes are known
 * yet. */
static bool get_changes(struct reader *r, const struct ring *from, const struct ring *ring,
                        uint32_t dc, node_no *row)
{
    uint8_t owned = read_u8(r);
    int was = ring_find_dc(from, ring->dc[dc]);
    if (r->failed || owned > 1)
        return false;
    if (owned == 0)
        return true;
    if (was >= 0)
        memcpy(row, ring_table(from, RING_NEWEST)->owner + (size_t)was * ring->ranges,
               sizeof *row * ring->ranges);
    uint64_t count = read_varint(r);
    uint64_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t gap = read_varint(r);
        uint64_t index = read_varint(r);
        if (r->failed || gap >= ring->ranges - at || index >= ring->nodes)
            return false;
        at += gap;
        row[at++] = ring->node[index].node;
        if (at == ring->ranges && i + 1 < count)
            return false;
    }
    return !r->failed;
}

/* The tables of a ring of which only the nodes are known yet, to the end of the reader. */
static enum err get_tables(struct reader *r, const struct ring *bare, struct ring **ret_ring)
{
    struct ring_table tables[RING_TABLES_MAX] = {{0, NULL}};
    uint8_t count = read_u8(r);
    bool good = !r->failed && count > 0 && count <= RING_TABLES_MAX;
    for (uint8_t t = 0; t < count && good; t++) {
        uint64_t number = read_varint(r);
        good = !r->failed && number <= UINT32_MAX;
        tables[t].number = (uint32_t)number;
        tables[t].owner = mem_alloc(sizeof(node_no) * bare->dcs * bare->ranges);
        for (uint32_t dc = 0; dc < bare->dcs && good; dc++)
            good = get_row(r, bare, tables[t].owner + (size_t)dc * bare->ranges);
    }
    enum err err = good ? reader_finish(r) : ERR_MALFORMED;
    if (err == ERR_OK)
        err = ring_new(bare->ranges, bare->node, bare->nodes, tables, count, ret_ring);
    for (size_t t = 0; t < RING_TABLES_MAX; t++)
        mem_free(tables[t].owner);
    return err;
}

enum err ring_decode(struct bytes bytes, struct ring **ret_ring)
{
    struct reader r = reader_make(bytes);
    struct ring *bare = NULL;
    uint32_t ranges;
    uint32_t count;
    enum err err = get_head(&r, &ranges);
    if (err != ERR_OK)
        return err;
    struct ring_node *nodes = mem_alloc(sizeof *nodes * RING_NODES_MAX);
    err = get_nodes(&r, nodes, &count) ? ring_new(ranges, nodes, count, NULL, 0, &bare)
                                       : ERR_MALFORMED;
    if (err == ERR_OK)
        err = get_tables(&r, bare, ret_ring);
    ring_free(bare);
    mem_free(nodes);
    return err == ERR_INVALID ? ERR_MALFORMED : err;
}

static bool same_node(const struct ring_node *a, const struct ring_node *b)
{
    return a->weight == b->weight && strcmp(a->dc, b->dc) == 0 && strcmp(a->rack, b->rack) == 0;
}

static void put_came(struct buf *out, const struct ring *from, const struct ring *to)
{
    struct ring_node *came = mem_alloc(sizeof *came * to->nodes);
    uint32_t count = 0;
    for (uint32_t i = 0; i < to->nodes; i++) {
        const struct ring_node *was = ring_find(from, to->node[i].node);
        if (was == NULL || !same_node(was, &to->node[i]))
            came[count++] = to->node[i];
    }
    put_nodes(out, came, count);
    mem_free(came);
}

void ring_encode_diff(const struct ring *from, const struct ring *to, struct buf *out)
{
    ASSERT(from->ranges == to->ranges);
    put_head(out, to);
    put_came(out, from, to);
    for (uint32_t dc = 0; dc < to->dcs; dc++) {
        const node_no *row = ring_table(to, RING_NEWEST)->owner + (size_t)dc * to->ranges;
        int was = ring_find_dc(from, to->dc[dc]);
        const node_no *old =
            was < 0 ? NULL : ring_table(from, RING_NEWEST)->owner + (size_t)was * from->ranges;
        uint32_t count = 0;
        range_no next = 0;
        buf_put_u8(out, row[0] != 0);
        if (row[0] == 0)
            continue;
        for (range_no r = 0; r < to->ranges; r++)
            count += old == NULL || old[r] != row[r];
        buf_put_varint(out, count);
        for (range_no r = 0; r < to->ranges; r++) {
            if (old != NULL && old[r] == row[r])
                continue;
            buf_put_varint(out, r - next);
            buf_put_varint(out, index_of(to, row[r]));
            next = r + 1;
        }
    }
}

/* Those of `from`, changed and joined by `came`. At most RING_NODES_MAX. */
static bool get_came(struct reader *r, const struct ring *from, struct ring_node *ret_nodes,
                     uint32_t *ret_count)
{
    struct ring_node *came = mem_alloc(sizeof *came * RING_NODES_MAX);
    uint32_t came_count = 0;
    uint32_t count = from->nodes;
    if (count > 0)
        memcpy(ret_nodes, from->node, sizeof *ret_nodes * count);
    bool good = get_nodes(r, came, &came_count);
    for (uint32_t i = 0; i < came_count && good; i++) {
        uint32_t at = 0;
        while (at < count && ret_nodes[at].node != came[i].node)
            at++;
        good = at < RING_NODES_MAX;
        if (good)
            ret_nodes[at] = came[i];
        count += good && at == count;
    }
    mem_free(came);
    *ret_count = count;
    return good;
}

/* The table that is added, with the nodes that there are then. */
static enum err get_added(struct reader *r, const struct ring *from, const struct ring_node *nodes,
                          uint32_t count, struct ring **ret_ring)
{
    struct ring *bare;
    enum err err = ring_new(from->ranges, nodes, count, NULL, 0, &bare);
    if (err != ERR_OK)
        return err;
    node_no *owner = mem_alloc(sizeof *owner * bare->dcs * bare->ranges);
    for (uint32_t dc = 0; dc < bare->dcs && err == ERR_OK; dc++) {
        if (!get_changes(r, from, bare, dc, owner + (size_t)dc * bare->ranges))
            err = ERR_MALFORMED;
    }
    if (err == ERR_OK)
        err = reader_finish(r);
    if (err == ERR_OK)
        err = ring_extend(from, nodes, count, owner, ret_ring);
    mem_free(owner);
    ring_free(bare);
    return err;
}

enum err ring_apply_diff(const struct ring *from, struct bytes diff, struct ring **ret_ring)
{
    struct reader r = reader_make(diff);
    uint32_t ranges;
    uint32_t count;
    enum err err = get_head(&r, &ranges);
    if (err == ERR_OK && ranges != from->ranges)
        err = ERR_MALFORMED;
    if (err != ERR_OK)
        return err;
    struct ring_node *nodes = mem_alloc(sizeof *nodes * RING_NODES_MAX);
    err = get_came(&r, from, nodes, &count) ? get_added(&r, from, nodes, count, ret_ring)
                                            : ERR_MALFORMED;
    mem_free(nodes);
    return err == ERR_INVALID ? ERR_MALFORMED : err;
}
