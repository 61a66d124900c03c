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
    buf_put_u8(out, 'F');
    buf_put_bytes(out, name);
}

void key_clock(struct buf *out, keyspace_no keyspace, range_no range)
{
    buf_clear(out);
    buf_put_u8(out, 'c');
    buf_put_u32(out, keyspace);
    buf_put_u32(out, range);
}

void key_journal(struct buf *out, uint64_t epoch)
{
    buf_clear(out);
    buf_put_u8(out, 'j');
    buf_put_u64(out, epoch);
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
    static const uint8_t zero[2] = {0x00, 0xff};
    static const uint8_t end[2] = {0x00, 0x00};
    while (b.len > 0) {
        const uint8_t *z = memchr(b.data, 0, b.len);
        size_t run = z != NULL ? (size_t)(z - b.data) : b.len;
        buf_put(out, b.data, run);
        if (z != NULL) {
            buf_put(out, zero, sizeof zero);
            run++;
        }
        b = bytes_make(b.data + run, b.len - run);
    }
    buf_put(out, end, sizeof end);
}

bool key_unescape(struct bytes in, struct arena *arena, struct bytes *ret, size_t *ret_len)
{
    size_t zeros = 0;
    size_t at = 0;
    for (;;) { /* find the end */
        const uint8_t *z = at < in.len ? memchr(in.data + at, 0, in.len - at) : NULL;
        if (z == NULL || (size_t)(z - in.data) + 1 >= in.len)
            return false;
        at = (size_t)(z - in.data) + 2;
        if (z[1] == 0x00)
            break;
        if (z[1] != 0xff)
            return false;
        zeros++;
    }
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

bool key_parse_journal(struct bytes key, uint64_t *ret_epoch)
{
    if (key.len != 17 || key.data[0] != 'j')
        return false;
    *ret_epoch = load_u64(key.data + 1);
    return true;
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
