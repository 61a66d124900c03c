/* plant.c - differences behind the back of a node that is stopped.
 *
 *   plant DIR                    the rows of each table
 *   plant DIR --delete K         ... of a table are gone
 *         --change K             ... have other values, with checksums that are right
 *         --garble K             ... have a flipped bit, below the checksum of the value
 *         --invent K             ... are there that nobody wrote
 *         --flip-block K         bytes flipped in table files
 *         --lose K               table files gone, the largest first
 *         --table NO             of this table; else of that with the most rows
 *         --seed N               chosen by this; else evenly spread
 *         --file NAME            only this table file
 *
 * LevelDB is opened first, so that what is in its log lies in table files afterwards. Neither
 * clocks, logs, trees nor indexes hear of anything.
 */
#include "plant.h"

#include "base/mem.h"
#include "base/rng.h"
#include "ring/murmur3.h"
#include "storage/fragment.h"
#include "storage/keys.h"
#include "storage/part_private.h"
#include "storage/store_leveldb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLES_MAX 4096

struct tally {
    table_no table;
    uint64_t rows;
};

struct planting {
    const struct plan *plan;
    struct store *store;
    struct arena arena;
    struct buf last; /* the key of the last row, without its fragment */
    table_no table;
    uint64_t row;     /* number of the row, in the table */
    uint64_t *chosen; /* numbers of rows, ascending */
    size_t chosen_count, chosen_at;
    struct store_batch batch;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "plant: %s\n", what);
    exit(1);
}

static void print_hex(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        printf("%02x", b.data[i]);
}

/* Is it a fragment of a row? Its key without the fragment's number. */
static bool parse_row(struct planting *p, struct bytes key, table_no *ret_table,
                      struct bytes *ret_row)
{
    token place;
    struct bytes partition;
    size_t len;
    arena_reset(&p->arena);
    if (key.data[0] != 'd' ||
        !key_parse_part(key, &p->arena, ret_table, &place, &partition, &len) ||
        key.len < len + 1 + KEY_FRAGMENT_SIZE || key.data[len] != KEY_ROW)
        return false;
    *ret_row = bytes_make(key.data, key.len - KEY_FRAGMENT_SIZE);
    return true;
}

static size_t count_rows(struct planting *p, struct tally *tallies)
{
    size_t count = 0;
    table_no table;
    struct bytes row;
    struct store_iter *it = store_iter_new(p->store);
    for (store_iter_seek(it, BYTES_LIT("d")); store_iter_valid(it); store_iter_next(it)) {
        if (store_iter_key(it).data[0] != 'd')
            break;
        if (!parse_row(p, store_iter_key(it), &table, &row) ||
            bytes_equal(row, buf_bytes(&p->last)))
            continue;
        buf_clear(&p->last);
        buf_put_bytes(&p->last, row);
        if (count == 0 || tallies[count - 1].table != table) {
            must(count < TABLES_MAX, "too many tables");
            tallies[count++] = (struct tally){table, 0};
        }
        tallies[count - 1].rows++;
    }
    if (store_iter_error(it) != ERR_OK)
        printf("not all of it can be read\n");
    store_iter_free(it);
    buf_clear(&p->last);
    return count;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* So many different numbers below `rows`. */
static void choose(struct planting *p, uint64_t wanted, uint64_t rows)
{
    struct rng rng;
    rng_init(&rng, p->plan->seed);
    must(wanted <= rows, "there are not so many rows");
    mem_free(p->chosen);
    p->chosen = mem_alloc((wanted + 1) * sizeof *p->chosen);
    p->chosen_count = p->chosen_at = 0;
    for (uint64_t left = rows, i = 0; i < rows && p->plan->seed != 0; i++, left--) {
        if (rng_next(&rng) % left < wanted - p->chosen_count)
            p->chosen[p->chosen_count++] = i;
    }
    for (; p->chosen_count < wanted; p->chosen_count++)
        p->chosen[p->chosen_count] = (2 * p->chosen_count + 1) * rows / (2 * wanted);
    qsort(p->chosen, p->chosen_count, sizeof *p->chosen, by_number);
}

/* All values of the fragment get another last byte; what has none is written later. */
static void change_row(struct row *row, struct arena *arena)
{
    for (size_t i = 0; i < row->cells_count; i++) {
        struct cell *c = &row->cells[i];
        if (c->value.len == 0 || c->kind == CELL_TOMBSTONE || c->kind == CELL_REMOVED)
            continue;
        uint8_t *room = arena_alloc(arena, c->value.len);
        memcpy(room, c->value.data, c->value.len);
        room[c->value.len - 1] ^= 1;
        c->value = bytes_make(room, c->value.len);
    }
}

/* Of a partition with another key, in its place in the ring. */
static void invented_key(struct planting *p, struct bytes key, struct buf *out)
{
    table_no table;
    token place;
    struct bytes partition;
    size_t len;
    must(key_parse_part(key, &p->arena, &table, &place, &partition, &len), "a key is none");
    uint8_t *room = arena_alloc(&p->arena, partition.len + 1);
    memcpy(room, partition.data, partition.len);
    room[0] ^= 0x40; /* a letter becomes a letter */
    partition = bytes_make(room, partition.len);
    key_part(out, table, murmur3_token(partition), partition);
    buf_put(out, key.data + len, key.len - len);
}

static void rewrite(struct planting *p, struct bytes key, struct bytes value, bool invent)
{
    struct part part = {.deletion = TOMB_NONE, .static_row = {.deletion = TOMB_NONE}};
    struct bytes body;
    struct buf out, new_key;
    must(fragment_open(key, value, &body) == ERR_OK, "a value is damaged");
    struct reader in = reader_make(body);
    must(part_body_read(&in, &p->arena, &part) == ERR_OK, "a value cannot be read");
    buf_init(&out, SIZE_MAX);
    buf_init(&new_key, SIZE_MAX);
    if (invent) {
        invented_key(p, key, &new_key);
    } else {
        change_row(&part.rows[0], &p->arena);
        buf_put_bytes(&new_key, key);
    }
    part_body_write(&part, PART_NO_CLOCK, &out);
    fragment_seal(buf_bytes(&new_key), &out);
    store_batch_put(&p->batch, buf_bytes(&new_key), buf_bytes(&out));
    buf_close(&new_key);
    buf_close(&out);
}

static void garble(struct planting *p, struct bytes key, struct bytes value)
{
    uint8_t *room = arena_alloc(&p->arena, value.len + 1);
    memcpy(room, value.data, value.len);
    if (value.len > 0)
        room[value.len / 2] ^= 0x10;
    store_batch_put(&p->batch, key, bytes_make(room, value.len));
}

enum deed { DELETE, CHANGE, GARBLE, INVENT };
static const char *const deeds[] = {"deleted", "changed", "garbled", "invented after"};

static void plant_fragment(struct planting *p, enum deed deed, struct store_iter *it, bool first)
{
    struct bytes key = arena_copy(&p->arena, store_iter_key(it));
    struct bytes value = arena_copy(&p->arena, store_iter_value(it));
    switch (deed) {
    case DELETE: store_batch_delete(&p->batch, key); break;
    case CHANGE: rewrite(p, key, value, false); break;
    case GARBLE: garble(p, key, value); break;
    case INVENT: rewrite(p, key, value, true); break;
    }
    if (!first)
        return;
    printf("%s table %" PRIu32 " token %" PRId64 " key ", deeds[deed], p->table,
           (token)(load_u64(key.data + 5) ^ (UINT64_C(1) << 63)));
    print_hex(bytes_make(key.data + 13, key.len - 13 - KEY_FRAGMENT_SIZE));
    printf(" bytes %zu\n", key.len + value.len);
}

static void commit(struct planting *p)
{
    struct store_done done = {0};
    store_write(p->store, &p->batch, 1);
    store_flush(p->store);
    while (!store_completed(p->store, &done)) {
        /* the committer is at it */
    }
    must(done.err == ERR_OK, "the store cannot be written");
    store_batch_clear(&p->batch);
}

static void plant_rows(struct planting *p, enum deed deed, uint64_t wanted, uint64_t rows)
{
    struct buf from;
    table_no table;
    struct bytes row;
    uint64_t number = 0;
    choose(p, wanted, rows);
    buf_init(&from, 64);
    key_table(&from, p->table);
    buf_clear(&p->last);
    struct store_iter *it = store_iter_new(p->store);
    for (store_iter_seek(it, buf_bytes(&from)); store_iter_valid(it); store_iter_next(it)) {
        if (!bytes_starts_with(store_iter_key(it), buf_bytes(&from)))
            break;
        if (!parse_row(p, store_iter_key(it), &table, &row))
            continue;
        bool first = !bytes_equal(row, buf_bytes(&p->last));
        if (first) {
            buf_clear(&p->last);
            buf_put_bytes(&p->last, row);
            number++;
        }
        if (p->chosen_at < p->chosen_count && p->chosen[p->chosen_at] + 1 < number)
            p->chosen_at++;
        if (p->chosen_at < p->chosen_count && p->chosen[p->chosen_at] + 1 == number)
            plant_fragment(p, deed, it, first);
    }
    must(store_iter_error(it) == ERR_OK, "not all of it can be read");
    store_iter_free(it);
    buf_close(&from);
    commit(p);
}

static void plant(const struct plan *plan)
{
    struct planting p = {.plan = plan};
    struct errmsg why;
    struct store_leveldb_config config = {.path = plan->dir};
    struct tally *tallies = mem_alloc(TABLES_MAX * sizeof *tallies);
    uint64_t rows = 0;
    must(store_leveldb_open(&config, &p.store, &why) == ERR_OK, why.text);
    store_batch_init(&p.batch);
    buf_init(&p.last, SIZE_MAX);
    size_t count = count_rows(&p, tallies);
    for (size_t i = 0; i < count; i++) {
        if (plan->table == 0 ? tallies[i].rows > rows : tallies[i].table == plan->table) {
            p.table = tallies[i].table;
            rows = tallies[i].rows;
        }
        if (plan->deleted + plan->changed + plan->garbled + plan->invented == 0)
            printf("table %" PRIu32 " rows %" PRIu64 "\n", tallies[i].table, tallies[i].rows);
    }
    const uint64_t wanted[] = {plan->deleted, plan->changed, plan->garbled, plan->invented};
    for (unsigned deed = DELETE; deed <= INVENT; deed++) {
        if (wanted[deed] > 0)
            plant_rows(&p, (enum deed)deed, wanted[deed], rows);
    }
    store_batch_close(&p.batch);
    buf_close(&p.last);
    arena_close(&p.arena);
    mem_free(p.chosen);
    mem_free(tallies);
    store_close(p.store);
}

static void usage(FILE *to)
{
    fputs("plant DIR [--delete K] [--change K] [--garble K] [--invent K] [--flip-block K] [--lose "
          "K]\n"
          "          [--table NO] [--seed N] [--file NAME]\n"
          "Makes the data directory of a stopped node differ behind its back; without numbers of\n"
          "anything: the rows of each table. A deed sees what those before it left.\n",
          to);
}

int main(int argc, char **argv)
{
    struct plan plan = {0};
    uint64_t table = 0;
    struct {
        const char *name;
        uint64_t *to;
    } options[] = {
        {"--delete", &plan.deleted},  {"--change", &plan.changed},     {"--garble", &plan.garbled},
        {"--invent", &plan.invented}, {"--flip-block", &plan.flipped}, {"--lose", &plan.lost},
        {"--table", &table},          {"--seed", &plan.seed}};
    for (int i = 1; i < argc; i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(options) && i + 1 < argc && !known; k++) {
            known = strcmp(argv[i], options[k].name) == 0;
            if (known)
                *options[k].to = strtoull(argv[++i], NULL, 10);
        }
        if (!known && strcmp(argv[i], "--file") == 0 && i + 1 < argc) {
            plan.file = argv[++i];
        } else if (!known && strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        } else if (!known && plan.dir == NULL && argv[i][0] != '-') {
            plan.dir = argv[i];
        } else if (!known) {
            usage(stderr);
            return 2;
        }
    }
    if (plan.dir == NULL) {
        usage(stderr);
        return 2;
    }
    plan.table = (table_no)table;
    plant(&plan);
    return plant_flips(&plan) && plant_losses(&plan) ? 0 : 1;
}
