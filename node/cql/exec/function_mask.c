/* function_mask.c - values that hide others: mask_null, mask_default, mask_replace, mask_inner,
 * mask_outer, mask_hash. */
#include "node/cql/exec/function_inner.h"

#include <openssl/evp.h>
#include <string.h>

#define DIGEST_NAME_MAX 32

static bool make_same(struct run *r, const struct factory *x, const struct function_arg *args,
                      size_t count, const struct cql_type *want, struct function *ret)
{
    (void)want;
    ret->args[0] = function_arg_infer(r, &args[0]);
    if (ret->args[0] == NULL && count == 2) /* mask_replace */
        ret->args[0] = want;
    if (ret->args[0] == NULL)
        return factory_cannot_infer(r, x, &args[0]);
    ret->args[1] = ret->args[0];
    ret->result = ret->args[0];
    return true;
}

/* An argument of a fixed type, the first of `kinds` when it says none itself. */
static bool fixed_arg(struct run *r, const struct factory *x, const struct function_arg *arg,
                      const enum cql_kind *kinds, size_t count, const char *what,
                      const struct cql_type **ret)
{
    const struct cql_type *type = function_arg_infer(r, arg);
    *ret = type != NULL ? type : cql_type_native(kinds[0]);
    struct function_arg inferred = {.type = *ret};
    for (size_t i = 0; i < count; i++) {
        if (function_arg_fit(r, &inferred, cql_type_native(kinds[i])) != FIT_NOT)
            return true;
    }
    return factory_refuses(r, x, arena_printf(r->arena, "an argument of type %s", what), arg, *ret);
}

static const enum cql_kind strings[] = {CQL_TEXT, CQL_ASCII};
static const enum cql_kind whole[] = {CQL_INT};

static bool make_partial(struct run *r, const struct factory *x, const struct function_arg *args,
                         size_t count, const struct cql_type *want, struct function *ret)
{
    (void)want;
    if (!fixed_arg(r, x, &args[0], strings, 2, "[text|varchar|ascii]", &ret->args[0]) ||
        !fixed_arg(r, x, &args[1], whole, 1, "int", &ret->args[1]) ||
        !fixed_arg(r, x, &args[2], whole, 1, "int", &ret->args[2]) ||
        (count == 4 && !fixed_arg(r, x, &args[3], strings, 1, "text", &ret->args[3])))
        return false;
    ret->result = ret->args[0];
    return true;
}

static bool make_hash(struct run *r, const struct factory *x, const struct function_arg *args,
                      size_t count, const struct cql_type *want, struct function *ret)
{
    (void)want;
    ret->result = cql_type_native(CQL_BLOB);
    ret->args[0] = function_arg_infer(r, &args[0]);
    if (ret->args[0] == NULL)
        return factory_cannot_infer(r, x, &args[0]);
    return count < 2 || fixed_arg(r, x, &args[1], strings, 1, "text", &ret->args[1]);
}

/* --- bodies */

static bool mask_null(struct run *r, const struct function *f, const struct cql_value *args,
                      size_t count, struct cql_value *ret)
{
    (void)r;
    (void)f;
    (void)args;
    (void)count;
    (void)ret;
    return true;
}

static bool mask_replace(struct run *r, const struct function *f, const struct cql_value *args,
                         size_t count, struct cql_value *ret)
{
    (void)r;
    (void)f;
    (void)count;
    *ret = args[1];
    return true;
}

/* "****", zero, nothing: what a value of each type looks like when it says nothing. */
static void put_default(const struct cql_type *type, struct buf *out)
{
    static const uint8_t zeros[16] = {0};
    switch (type->kind) {
    case CQL_ASCII:
    case CQL_TEXT: buf_put_text(out, "****"); break;
    case CQL_BLOB: break;
    case CQL_BOOLEAN:
    case CQL_TINYINT:
    case CQL_VARINT: buf_put(out, zeros, 1); break;
    case CQL_SMALLINT: buf_put(out, zeros, 2); break;
    case CQL_DURATION: buf_put(out, zeros, 3); break;
    case CQL_INT:
    case CQL_FLOAT:
    case CQL_INET:
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP: buf_put(out, zeros, 4); break;
    case CQL_DATE: buf_put_u32(out, 0x80000000u); break;
    case CQL_DECIMAL: buf_put(out, zeros, 5); break;
    case CQL_UUID: buf_put(out, zeros, 16); break;
    case CQL_TIMEUUID: /* the first of 1970 */
        buf_put(out, "\x13\x81\x40\x00\x1d\xd2\x11\xb2\x80\x80\x80\x80\x80\x80\x80\x80", 16);
        break;
    case CQL_VECTOR:
        for (uint32_t i = 0; i < type->dimension; i++)
            put_default(type->items[0], out);
        break;
    case CQL_TUPLE:
    case CQL_UDT:
        for (uint32_t i = 0; i < type->count; i++) {
            struct buf item;
            buf_init(&item, out->max);
            put_default(type->items[i], &item);
            buf_put_u32(out, (uint32_t)item.len);
            buf_put_bytes(out, buf_bytes(&item));
            buf_close(&item);
        }
        break;
    default: buf_put(out, zeros, 8); break; /* of 64 bits */
    }
}

static bool mask_default(struct run *r, const struct function *f, const struct cql_value *args,
                         size_t count, struct cql_value *ret)
{
    struct buf b;
    (void)args;
    (void)count;
    buf_init(&b, BUF_MAX_DEFAULT);
    put_default(f->result, &b);
    *ret = function_take(r, &b);
    return true;
}

/* Java counts a text in UTF-16: what is beyond 16 bits is two. */
static size_t units_of(uint8_t first)
{
    return (first & 0xc0) == 0x80 ? 0 : first >= 0xf0 ? 2 : 1;
}

static size_t count_units(struct bytes text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += units_of(text.data[i]);
    return n;
}

static int64_t int_or_zero(struct cql_value v)
{
    return v.kind == CQL_VALUE_SET && v.data.len == 4 ? (int32_t)load_u32(v.data.data) : 0;
}

/* Write `text` with what lies between `begin` from the left and `end` from the right hidden, or
 * with everything else hidden. */
static void put_masked(struct bytes text, int64_t begin, int64_t end, bool inner,
                       struct bytes padding, struct buf *out)
{
    int64_t units = (int64_t)count_units(text), at = 0;
    size_t len;
    for (size_t i = 0; i < text.len; i += len) {
        size_t n = units_of(text.data[i]);
        bool between = at >= begin && at < units - end;
        for (len = 1; i + len < text.len && units_of(text.data[i + len]) == 0; len++)
            ;
        if (between != inner)
            buf_put(out, text.data + i, len);
        for (size_t k = 0; k < n && between == inner; k++)
            buf_put_bytes(out, padding);
        at += (int64_t)n;
    }
}

static bool partial(struct run *r, const struct function *f, const struct cql_value *args,
                    size_t count, bool inner, struct cql_value *ret)
{
    struct bytes padding = BYTES_LIT("*");
    struct buf b;
    if (count == 4 && args[3].kind == CQL_VALUE_SET) {
        padding = args[3].data;
        size_t units = count_units(padding);
        if (units != 1)
            return run_invalid(r,
                               "The padding argument for function %s should be single-character, "
                               "but '%s' has %zu characters.",
                               f->name, run_text(r, padding), units);
        if (f->result->kind == CQL_ASCII && padding.len > 1)
            padding = BYTES_LIT("?");
    }
    if (args[0].kind != CQL_VALUE_SET)
        return true;
    buf_init(&b, BUF_MAX_DEFAULT);
    put_masked(args[0].data, int_or_zero(args[1]), int_or_zero(args[2]), inner, padding, &b);
    *ret = function_take(r, &b);
    return true;
}

static bool mask_inner(struct run *r, const struct function *f, const struct cql_value *args,
                       size_t count, struct cql_value *ret)
{
    return partial(r, f, args, count, true, ret);
}

static bool mask_outer(struct run *r, const struct function *f, const struct cql_value *args,
                       size_t count, struct cql_value *ret)
{
    return partial(r, f, args, count, false, ret);
}

/* The digests of Java by their names there; MD2 is none that is still about. */
static const EVP_MD *digest_of(const char *name)
{
    static const struct {
        const char *name;
        const EVP_MD *(*digest)(void);
    } digests[] = {
        {"MD5", EVP_md5},
        {"SHA", EVP_sha1},
        {"SHA1", EVP_sha1},
        {"SHA-1", EVP_sha1},
        {"SHA-224", EVP_sha224},
        {"SHA-256", EVP_sha256},
        {"SHA-384", EVP_sha384},
        {"SHA-512", EVP_sha512},
        {"SHA-512/224", EVP_sha512_224},
        {"SHA-512/256", EVP_sha512_256},
        {"SHA3-224", EVP_sha3_224},
        {"SHA3-256", EVP_sha3_256},
        {"SHA3-384", EVP_sha3_384},
        {"SHA3-512", EVP_sha3_512},
    };
    for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
        if (strcasecmp(digests[i].name, name) == 0)
            return digests[i].digest();
    }
    return NULL;
}

static bool mask_hash(struct run *r, const struct function *f, const struct cql_value *args,
                      size_t count, struct cql_value *ret)
{
    const char *name = "SHA-256";
    (void)f;
    if (count == 2 && args[1].kind == CQL_VALUE_SET)
        name = run_text(r, args[1].data);
    const EVP_MD *digest = digest_of(name);
    if (digest == NULL)
        return run_invalid(r, "Hash algorithm not found: %s", name);
    if (args[0].kind != CQL_VALUE_SET)
        return true;
    uint8_t *p = arena_alloc(r->arena, EVP_MAX_MD_SIZE);
    unsigned len = 0;
    if (EVP_Digest(args[0].data.data, args[0].data.len, p, &len, digest, NULL) != 1)
        return run_invalid(r, "Hash algorithm not found: %s", name);
    *ret = cql_value_make(bytes_make(p, len));
    return true;
}

struct factories function_mask_factories(void)
{
    static const struct factory factories[] = {
        {"mask_null", "any", 1, 1, make_same, mask_null},
        {"mask_default", "any", 1, 1, make_same, mask_default},
        {"mask_replace", "any, any", 2, 2, make_same, mask_replace},
        {"mask_inner", "[text|varchar|ascii], int, int, [text]", 3, 4, make_partial, mask_inner},
        {"mask_outer", "[text|varchar|ascii], int, int, [text]", 3, 4, make_partial, mask_outer},
        {"mask_hash", "any, [text]", 1, 2, make_hash, mask_hash},
    };
    return (struct factories){factories, ARRAY_LEN(factories)};
}
