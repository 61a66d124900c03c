#include "storage/keys.h"

#include "storage/clock.h"

#include <string.h>

#define SIGN_BIT ((uint64_t)1 << 63)

void key_meta(struct buf *out, const char *name)
{
    buf_clear(out);
    buf_put_u8(out, 'M');
    buf_put_text(out, name);
}

void key_fact(struct buf *out, struct bytes name)
{
    buf_clear(out);
    buf_put_u8(out, bytes_starts_with(name, BYTES_LIT("a/")) ? 'A' : 'F');
    buf_put_bytes(out, name);
}

void key_twin(struct buf *out, struct bytes key)
{
    buf_clear(out);
    buf_put_u8(out, KEY_TWIN);
    buf_put_bytes(out, key);
}

void key_clock(struct buf *out, keyspace_no keyspace, range_no range)
{
    buf_clear(out);
    buf_put_u8(out, 'c');
    buf_put_u32(out, keyspace);
    buf_put_u32(out, range);
}

void key_log_account(struct buf *out, keyspace_no keyspace, range_no range)
{
    buf_clear(out);
    buf_put_u8(out, 'f');
    buf_put_u32(out, keyspace);
    buf_put_u32(out, range);
}

void key_log(struct buf *out, keyspace_no keyspace, range_no range, struct dot window)
{
    buf_clear(out);
    buf_put_u8(out, 'l');
    buf_put_u32(out, keyspace);
    buf_put_u32(out, range);
    buf_put_u32(out, window.actor.node);
    buf_put_u32(out, window.actor.boot);
    buf_put_u64(out, window.n);
}

void key_table(struct buf *out, table_no table)
{
    buf_clear(out);
    buf_put_u8(out, 'd');
    buf_put_u32(out, table);
}

void key_token(struct buf *out, table_no table, token place)
{
    key_table(out, table);
    buf_put_u64(out, (uint64_t)place ^ SIGN_BIT);
}

void key_part(struct buf *out, table_no table, token place, struct bytes partition_key)
{
    key_token(out, table, place);
    key_add_escaped(out, partition_key);
}

void key_indexes(struct buf *out, table_no table)
{
    buf_clear(out);
    buf_put_u8(out, 'i');
    buf_put_u32(out, table);
}

void key_index(struct buf *out, table_no table, index_no index)
{
    key_indexes(out, table);
    buf_put_u32(out, index);
}

void key_add_token(struct buf *out, token place)
{
    buf_put_u64(out, (uint64_t)place ^ SIGN_BIT);
}

void key_add_escaped(struct buf *out, struct bytes b)
{
    static const uint8_t end[2] = {0x00, 0x00};
    size_t zeros = 0;
    if (b.len == 0 || memchr(b.data, 0, b.len) == NULL) { /* as of text */
        buf_put_bytes(out, b);
        buf_put(out, end, sizeof end);
        return;
    }
    for (size_t i = 0; i < b.len; i++)
        zeros += b.data[i] == 0;
    uint8_t *to = buf_extend(out, b.len + zeros + sizeof end);
    if (to == NULL)
        return;
    for (size_t i = 0; i < b.len; i++) { /* numbers have many */
        *to++ = b.data[i];
        if (b.data[i] == 0)
            *to++ = 0xff;
    }
    memcpy(to, end, sizeof end);
}

/* Where an escaped string ends, and how many zero bytes it has. */
static bool find_end(struct bytes in, size_t *ret_len, size_t *ret_zeros)
{
    size_t at = 0, zeros = 0;
    while (at < in.len) {
        const uint8_t *z = in.data + at; /* often one follows the other */
        if (*z != 0x00)
            z = memchr(z, 0, in.len - at);
        if (z == NULL || (size_t)(z - in.data) + 1 >= in.len)
            return false;
        at = (size_t)(z - in.data) + 2;
        if (z[1] == 0x00) {
            *ret_len = at;
            *ret_zeros = zeros;
            return true;
        }
        if (z[1] != 0xff)
            return false;
        zeros++;
    }
    return false;
}

bool key_unescape(struct bytes in, struct arena *arena, struct bytes *ret, size_t *ret_len)
{
    size_t zeros = 0;
    size_t at = 0;
    if (!find_end(in, &at, &zeros))
        return false;
    *ret_len = at;
    *ret = bytes_make(in.data, at - 2);
    if (zeros == 0)
        return true;
    uint8_t *plain = arena_alloc(arena, at - 2 - zeros);
    size_t n = 0;
    for (size_t i = 0; i < at - 2; i++) {
        plain[n++] = in.data[i];
        i += in.data[i] == 0; /* the 0xff after it */
    }
    *ret = bytes_make(plain, n);
    return true;
}

bool key_parse_clock(struct bytes key, keyspace_no *ret_keyspace, range_no *ret_range)
{
    if (key.len != 9 || key.data[0] != 'c')
        return false;
    *ret_keyspace = load_u32(key.data + 1);
    *ret_range = load_u32(key.data + 5);
    return true;
}

bool key_parse_log(struct bytes key, keyspace_no *ret_keyspace, range_no *ret_range,
                   struct dot *ret_window)
{
    if (key.len != 33 || key.data[0] != 'l')
        return false;
    *ret_keyspace = load_u32(key.data + 1);
    *ret_range = load_u32(key.data + 5);
    *ret_window =
        (struct dot){{load_u32(key.data + 9), load_u32(key.data + 13)}, load_u64(key.data + 17)};
    return ret_window->n % LOG_WINDOW == 0 && ret_window->n <= DOT_N_MAX;
}

void key_garbage_range(struct buf *out, keyspace_no keyspace, range_no range)
{
    buf_clear(out);
    buf_put_u8(out, 'g');
    buf_put_u32(out, keyspace);
    buf_put_u32(out, range);
}

void key_garbage(struct buf *out, const struct garbage_key *g)
{
    key_garbage_range(out, g->keyspace, g->range);
    buf_put_u8(out, (uint8_t)g->class);
    buf_put_u64(out, (uint64_t)g->due ^ SIGN_BIT);
    buf_put_u32(out, g->table);
    key_add_token(out, g->token);
    key_add_escaped(out, g->key);
    buf_put_u8(out, (uint8_t)g->kind);
    if (g->kind == KEY_ROW)
        key_add_escaped(out, g->row);
    buf_put_u32(out, g->dot.actor.node);
    buf_put_u32(out, g->dot.actor.boot);
    buf_put_u64(out, g->dot.n);
}

#define GARBAGE_HEAD 30 /* bytes before the partition key */
#define GARBAGE_DOT  16

bool key_parse_garbage(struct bytes key, struct arena *arena, struct garbage_key *ret)
{
    struct garbage_key g = {0};
    size_t len;
    if (key.len < GARBAGE_HEAD + GARBAGE_DOT || key.data[0] != 'g')
        return false;
    g.keyspace = load_u32(key.data + 1);
    g.range = load_u32(key.data + 5);
    g.class = key.data[9] == GARBAGE_EXPIRING ? GARBAGE_EXPIRING : GARBAGE_DELETED;
    g.due = (int64_t)(load_u64(key.data + 10) ^ SIGN_BIT);
    g.table = load_u32(key.data + 18);
    g.token = (token)(load_u64(key.data + 22) ^ SIGN_BIT);
    const uint8_t *dot = key.data + key.len - GARBAGE_DOT;
    struct bytes rest = bytes_make(key.data + GARBAGE_HEAD, key.len - GARBAGE_HEAD - GARBAGE_DOT);
    if (key.data[9] != (uint8_t)g.class || !key_unescape(rest, arena, &g.key, &len) ||
        rest.len == len || rest.data[len] < KEY_DELETION || rest.data[len] > KEY_ROW)
        return false;
    g.kind = (enum key_kind)rest.data[len];
    rest = bytes_make(rest.data + len + 1, rest.len - len - 1);
    len = 0;
    if (g.kind == KEY_ROW && !key_unescape(rest, arena, &g.row, &len))
        return false;
    g.dot = (struct dot){{load_u32(dot), load_u32(dot + 4)}, load_u64(dot + 8)};
    *ret = g;
    return len == rest.len;
}

void key_purged(struct buf *out, uint32_t bucket)
{
    buf_clear(out);
    buf_put_u8(out, 'b');
    buf_put_u32(out, bucket);
}

static void key_of_range(struct buf *out, char letter, keyspace_no keyspace, range_no range)
{
    buf_clear(out);
    buf_put_u8(out, (uint8_t)letter);
    buf_put_u32(out, keyspace);
    buf_put_u32(out, range);
}

void key_tree(struct buf *out, keyspace_no keyspace, range_no range)
{
    key_of_range(out, 't', keyspace, range);
}

void key_tree_table(struct buf *out, keyspace_no keyspace, range_no range, table_no table)
{
    key_of_range(out, 't', keyspace, range);
    buf_put_u32(out, table);
}

void key_tree_mark(struct buf *out, keyspace_no keyspace, range_no range)
{
    key_of_range(out, 'T', keyspace, range);
}

bool key_parse_tree(struct bytes key, keyspace_no *ret_keyspace, range_no *ret_range)
{
    if (key.len != 9 || key.data[0] != 't')
        return false;
    *ret_keyspace = load_u32(key.data + 1);
    *ret_range = load_u32(key.data + 5);
    return true;
}

void key_tree_place(struct buf *out, token place, struct bytes partition_key, enum key_kind kind)
{
    buf_clear(out);
    key_add_token(out, place);
    key_add_escaped(out, partition_key);
    buf_put_u8(out, (uint8_t)kind);
}

bool key_parse_tree_place(struct bytes place, struct arena *arena, token *ret_token,
                          struct bytes *ret_partition_key, enum key_kind *ret_kind,
                          struct bytes *ret_row)
{
    size_t len = 0;
    if (place.len < 8)
        return false;
    struct bytes rest = bytes_make(place.data + 8, place.len - 8);
    if (!key_unescape(rest, arena, ret_partition_key, &len) || rest.len == len)
        return false;
    *ret_token = (token)(load_u64(place.data) ^ SIGN_BIT);
    uint8_t kind = rest.data[len];
    rest = bytes_make(rest.data + len + 1, rest.len - len - 1);
    *ret_row = BYTES_NONE;
    *ret_kind = kind == KEY_ROW ? KEY_ROW : KEY_DELETION;
    if (kind == KEY_DELETION)
        return rest.len == 0;
    return kind == KEY_ROW && key_unescape(rest, arena, ret_row, &len) && len == rest.len;
}

bool key_is_tree_place(struct bytes place)
{
    size_t len = 0, zeros;
    if (place.len < 8)
        return false;
    struct bytes rest = bytes_make(place.data + 8, place.len - 8);
    if (!find_end(rest, &len, &zeros) || rest.len == len)
        return false;
    uint8_t kind = rest.data[len];
    rest = bytes_make(rest.data + len + 1, rest.len - len - 1);
    if (kind == KEY_DELETION)
        return rest.len == 0;
    return kind == KEY_ROW && find_end(rest, &len, &zeros) && len == rest.len;
}

bool key_parse_part(struct bytes key, struct arena *arena, table_no *ret_table, token *ret_token,
                    struct bytes *ret_partition_key, size_t *ret_len)
{
    size_t len;
    if (key.len < 13 || key.data[0] != 'd' ||
        !key_unescape(bytes_make(key.data + 13, key.len - 13), arena, ret_partition_key, &len))
        return false;
    *ret_table = load_u32(key.data + 1);
    *ret_token = (token)(load_u64(key.data + 5) ^ SIGN_BIT);
    *ret_len = 13 + len;
    return true;
}

bool key_parse_index(struct bytes rest, struct arena *arena, struct bytes *ret_term,
                     token *ret_token, struct bytes *ret_partition_key, enum key_kind *ret_kind,
                     struct bytes *ret_row)
{
    size_t len;
    if (!key_unescape(rest, arena, ret_term, &len) || rest.len - len < 8)
        return false;
    *ret_token = (token)(load_u64(rest.data + len) ^ SIGN_BIT);
    rest = bytes_make(rest.data + len + 8, rest.len - len - 8);
    if (!key_unescape(rest, arena, ret_partition_key, &len) || rest.len == len)
        return false;
    uint8_t kind = rest.data[len];
    rest = bytes_make(rest.data + len + 1, rest.len - len - 1);
    *ret_kind = kind == KEY_ROW ? KEY_ROW : KEY_STATIC;
    *ret_row = BYTES_NONE;
    if (kind == KEY_STATIC)
        return rest.len == 0;
    return kind == KEY_ROW && key_unescape(rest, arena, ret_row, &len) && len == rest.len;
}
