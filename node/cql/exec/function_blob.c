/* function_blob.c - values as bytes and back: type_as_blob, blob_as_type; and token. */
#include "node/cql/exec/function_inner.h"
#include "node/schema/order.h"
#include "ring/murmur3.h"

#include <string.h>

static bool as_blob(struct run *r, const struct function *f, const struct cql_value *args,
                    size_t count, struct cql_value *ret)
{
    (void)r;
    (void)f;
    (void)count;
    *ret = args[0];
    return true;
}

static const char *hex_text(struct run *r, struct bytes b)
{
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < b.len; i++)
        buf_printf(&out, "%02x", b.data[i]);
    return run_text(r, run_take(r, &out));
}

static bool from_blob(struct run *r, const struct function *f, const struct cql_value *args,
                      size_t count, struct cql_value *ret)
{
    *ret = args[0];
    if (any_null(args, count) || value_validate(f->result, args[0].data, NULL) == ERR_OK)
        return true;
    return run_invalid(r,
                       "In call to function %s, value 0x%s is not a valid binary representation "
                       "for type %s",
                       f->name, hex_text(r, args[0].data), cql_type_text(r->arena, f->result));
}

/* The scalar type of that name; a blob as a blob is no function. */
static enum cql_kind kind_of(const char *name, size_t len)
{
    static const struct {
        const char *name;
        enum cql_kind kind;
    } scalars[] = {
#define X(kind, number, text) {text, CQL_##kind},
        CQL_SCALARS(X)
#undef X
            {"varchar", CQL_TEXT},
    };
    for (size_t i = 0; i < ARRAY_LEN(scalars); i++) {
        if (scalars[i].kind != CQL_BLOB && strlen(scalars[i].name) == len &&
            memcmp(scalars[i].name, name, len) == 0)
            return scalars[i].kind;
    }
    return 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n > k && strcmp(name + n - k, end) == 0;
}

void function_blob_overloads(const char *name, struct overloads *out)
{
    static const char *const before[] = {"blob_as_", "blobas"};
    static const char *const behind[] = {"_as_blob", "asblob"};
    for (size_t i = 0; i < ARRAY_LEN(before); i++) {
        size_t n = strlen(before[i]);
        enum cql_kind kind =
            strncmp(name, before[i], n) == 0 ? kind_of(name + n, strlen(name) - n) : 0;
        if (kind != 0)
            overloads_add(out, (struct overload){name, from_blob, kind, {CQL_BLOB}});
        kind = ends_with(name, behind[i]) ? kind_of(name, strlen(name) - strlen(behind[i])) : 0;
        if (kind != 0)
            overloads_add(out, (struct overload){name, as_blob, CQL_BLOB, {kind}});
    }
}

/* --- token: as many arguments as there are columns in the partition key of the table */

static bool token_body(struct run *r, const struct function *f, const struct cql_value *args,
                       size_t count, struct cql_value *ret)
{
    struct bytes *parts = arena_array(r->arena, struct bytes, count);
    struct buf b;
    struct errmsg m;
    if (any_null(args, count))
        return true;
    for (size_t i = 0; i < count; i++)
        parts[i] = args[i].data;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = partition_key_compose(parts, count, &b, &m);
    uint8_t *p = arena_alloc(r->arena, 8);
    if (err == ERR_OK)
        store_u64(p, (uint64_t)murmur3_token(buf_bytes(&b)));
    buf_close(&b);
    *ret = cql_value_make(bytes_make(p, 8));
    (void)f;
    return run_err(r, err, &m);
}

static bool make_token(struct run *r, const struct factory *x, const struct function_arg *args,
                       size_t count, const struct cql_type *want, struct function *ret)
{
    (void)x;
    (void)args;
    (void)count;
    (void)want;
    if (r->table == NULL)
        return run_invalid(r, "No receiver table has been specified for function token");
    ret->table = r->table;
    ret->count = r->table->partition_key_count;
    ret->result = cql_type_native(CQL_BIGINT);
    return true;
}

struct factories function_token_factories(void)
{
    static const struct factory factories[] = {
        {"token", "", 0, SIZE_MAX, make_token, token_body},
    };
    return (struct factories){factories, ARRAY_LEN(factories)};
}
