/* tree_scrub.c - reading what is clean: has it still the sum that it had?
 *
 * What dots touched is folded first, in the same call, so nothing comes between. */
#include "storage/tree_private.h"

#include "base/mutant.h"

#define ENTRIES_A_CALL 16384u
#define FRAGMENT_BYTES 512u /* of files; to verify them is less work than to read rows */

struct scrub {
    struct tree t;
    const struct range_place *place;
    struct tree_scrub *at;
    struct arena *arena;
    size_t left;
    struct tree_wrong *wrong;
    size_t wrong_count, wrong_cap;
};

static void note_wrong(struct scrub *s, table_no table, struct bytes first, struct bytes upto,
                       struct tree_sum had, struct tree_sum has)
{
    s->wrong = arena_grow(s->arena, s->wrong, s->wrong_count, &s->wrong_cap, sizeof *s->wrong);
    s->wrong[s->wrong_count++] = (struct tree_wrong){
        table, {arena_copy(s->arena, first), arena_copy(s->arena, upto)}, had, has};
    s->t.e->stats.leaves_wrong++;
}

/* A clean leaf. The scrub is behind it then, whether it can be read or not. */
static enum err look_at(struct scrub *s, const struct tree_table *table, struct tree_piece *p,
                        uint32_t n, struct bytes upto)
{
    struct engine *e = s->t.e;
    struct tree_leaf *leaf = &p->leaves[n];
    struct tree_stretch stretch = {leaf->first, upto};
    struct tree_sum has;
    int64_t due;
    uint64_t before = e->stats.fragments_read;
    enum err err = tree_read_sum(e, s->place, table->table, &stretch, NULL, &has, &due);
    size_t work = 1 + (size_t)(e->stats.fragments_read - before);
    s->left -= work < s->left ? work : s->left;
    e->stats.leaves_read++;
    if (err == ERR_CORRUPT) {
        s->at->unread = !MUTANT(unread_is_read);
        return ERR_OK;
    }
    if (err != ERR_OK || (has.sum == leaf->sum.sum && has.rows == leaf->sum.rows) ||
        MUTANT(scrub_sees_nothing))
        return err;
    note_wrong(s, table->table, leaf->first, upto, leaf->sum, has);
    leaf->sum = has;
    leaf->due = due;
    p->changed = s->t.changed = true;
    return ERR_OK;
}

static void move_to(struct scrub *s, table_no table, struct bytes place)
{
    s->at->on_disk = s->at->on_disk && s->at->begun && s->at->table == table;
    s->at->table = table;
    s->at->begun = true;
    buf_clear(&s->at->from);
    buf_put_bytes(&s->at->from, place);
}

static enum err scrub_piece(struct scrub *s, struct tree_table *table, size_t i)
{
    struct tree_piece *p = &table->pieces[i];
    enum err err = tree_load(&s->t, table, p);
    if (err != ERR_OK)
        return err;
    for (uint32_t k = 0; k < p->count; k++)
        p->leaves[k].dirty = piece_is_dirty(p, k);
    struct bytes from = buf_bytes(&s->at->from);
    for (uint32_t k = (uint32_t)tree_find_leaf(p, from); k < p->count && s->left > 0; k++) {
        struct bytes upto = tree_leaf_end(table, i, k);
        if (!p->leaves[k].dirty)
            err = look_at(s, table, p, k, upto);
        if (upto.len > 0)
            move_to(s, table->table, upto);
        else
            move_to(s, table->table + 1, BYTES_NONE);
        if (err != ERR_OK)
            break;
    }
    if (p->changed) {
        struct bytes first = p->first;
        piece_sum_up(p);
        p->first = first;
    }
    return err;
}

/* The files that have the range's keys of the table. What is damaged there is mended by whom
 * engine_note tells; what can be read is read all the same. */
static enum err check_files(struct scrub *s, table_no table)
{
    struct engine *e = s->t.e;
    struct buf first, end;
    enum err err = ERR_OK;
    buf_init(&first, SIZE_MAX);
    buf_init(&end, SIZE_MAX);
    key_token(&first, table, s->place->first);
    if (s->place->last < INT64_MAX)
        key_token(&end, table, s->place->last + 1);
    else
        key_table(&end, table + 1);
    while (!s->at->on_disk && s->left > 0 && err == ERR_OK) {
        bool begun = s->at->from.len > 0;
        uint64_t bytes = 0;
        err = store_check(e->store, buf_bytes(begun ? &s->at->from : &first), buf_bytes(&end),
                          &s->at->from, &bytes);
        uint64_t work = bytes / FRAGMENT_BYTES;
        s->left -= work < s->left ? (size_t)work : s->left;
        s->at->on_disk = s->at->from.len == 0;
        if (engine_note(e, err) == ERR_CORRUPT) {
            s->at->unread = true;
            err = ERR_OK;
        }
    }
    buf_close(&first);
    buf_close(&end);
    return err;
}

static enum err scrub_tables(struct scrub *s, bool *ret_done)
{
    enum err err = ERR_OK;
    if (!s->at->begun) {
        s->at->unread = s->at->on_disk = false;
        move_to(s, 0, BYTES_NONE);
    }
    for (size_t i = 0; i < s->t.head.count && s->left > 0 && err == ERR_OK; i++) {
        struct tree_table *table = &s->t.head.tables[i];
        if (table->table < s->at->table)
            continue;
        if (table->table > s->at->table)
            move_to(s, table->table, BYTES_NONE);
        if (!s->at->on_disk)
            err = check_files(s, table->table);
        for (size_t k = tree_find_piece(table, buf_bytes(&s->at->from));
             k < table->count && s->left > 0 && err == ERR_OK && s->at->table == table->table; k++)
            err = scrub_piece(s, table, k);
    }
    *ret_done = err == ERR_OK && s->left > 0;
    if (err == ERR_OK && s->t.head.count > 0 &&
        s->at->table > s->t.head.tables[s->t.head.count - 1].table)
        *ret_done = true;
    if (*ret_done)
        s->at->begun = false;
    return err;
}

enum err engine_tree_scrub(struct engine *e, keyspace_no keyspace, range_no range,
                           const struct range_place *place, struct tree_scrub *scrub,
                           size_t work_max, struct arena *arena, struct tree_wrong **ret_wrong,
                           size_t *ret_count, bool *ret_done)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct scrub s = {.place = place, .at = scrub, .arena = arena};
    bool folded = false, done = false;
    s.left = work_max > 0 ? work_max : 1;
    scrub->from.max = SIZE_MAX;
    enum err err = tree_open(&s.t, e, r);
    if (err == ERR_OK)
        err = tree_fold(&s.t, ENTRIES_A_CALL, &folded);
    if (err == ERR_OK && folded)
        err = scrub_tables(&s, &done);
    if (r->tree.has == TREE_SOME)
        tree_write(&s.t);
    tree_close(&s.t);
    *ret_wrong = s.wrong;
    *ret_count = s.wrong_count;
    *ret_done = done;
    return err == ERR_NOT_FOUND ? ERR_BEHIND : err;
}
