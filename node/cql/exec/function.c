/* function.c - the scalar functions of values: uuids, times, blobs, token. */
#include "node/cql/exec/function.h"
#include "node/schema/order.h"
#include "ring/murmur3.h"

#include <ctype.h>
#include <string.h>

enum function_kind {
    FUNCTION_NOW,
    FUNCTION_UUID,
    FUNCTION_CURRENT_TIMESTAMP,
    FUNCTION_CURRENT_DATE,
    FUNCTION_CURRENT_TIME,
    FUNCTION_MIN_TIMEUUID,
    FUNCTION_MAX_TIMEUUID,
    FUNCTION_TO_TIMESTAMP,
    FUNCTION_TO_DATE,
    FUNCTION_TO_UNIX,
    FUNCTION_TOKEN,
    FUNCTION_AS_BLOB,
    FUNCTION_FROM_BLOB,
};

struct function {
    enum function_kind kind;
    const char *name;
    const struct cql_type *arg; /* of a lone argument */
    const struct table *table;  /* token: the arguments are its partition key */
    const struct cql_type *result;
};

/* Names without underscores: to_timestamp and totimestamp are the same function. */
static const struct {
    const char *name;
    enum function_kind kind;
    enum cql_kind arg; /* 0: none */
    enum cql_kind result;
} table[] = {
    {"now", FUNCTION_NOW, 0, CQL_TIMEUUID},
    {"currenttimeuuid", FUNCTION_NOW, 0, CQL_TIMEUUID},
    {"uuid", FUNCTION_UUID, 0, CQL_UUID},
    {"currenttimestamp", FUNCTION_CURRENT_TIMESTAMP, 0, CQL_TIMESTAMP},
    {"currentdate", FUNCTION_CURRENT_DATE, 0, CQL_DATE},
    {"currenttime", FUNCTION_CURRENT_TIME, 0, CQL_TIME},
    {"mintimeuuid", FUNCTION_MIN_TIMEUUID, CQL_TIMESTAMP, CQL_TIMEUUID},
    {"maxtimeuuid", FUNCTION_MAX_TIMEUUID, CQL_TIMESTAMP, CQL_TIMEUUID},
    {"totimestamp", FUNCTION_TO_TIMESTAMP, CQL_TIMEUUID, CQL_TIMESTAMP},
    {"dateof", FUNCTION_TO_TIMESTAMP, CQL_TIMEUUID, CQL_TIMESTAMP},
    {"todate", FUNCTION_TO_DATE, CQL_TIMEUUID, CQL_DATE},
    {"tounixtimestamp", FUNCTION_TO_UNIX, CQL_TIMEUUID, CQL_BIGINT},
    {"unixtimestampof", FUNCTION_TO_UNIX, CQL_TIMEUUID, CQL_BIGINT},
    {"token", FUNCTION_TOKEN, 0, CQL_BIGINT},
};

/* Functions of CQL that this release refuses by name. */
static const char *const not_here[] = {
    "abs",
    "collectionavg",
    "collectioncount",
    "collectionmax",
    "collectionmin",
    "collectionsum",
    "exp",
    "fromjson",
    "log",
    "log10",
    "mapkeys",
    "mapvalues",
    "maskdefault",
    "maskhash",
    "maskinner",
    "masknull",
    "maskouter",
    "maskreplace",
    "maxwritetime",
    "round",
    "similaritycosine",
    "similaritydotproduct",
    "similarityeuclidean",
    "tojson",
};

#define FUNCTION_NAME_MAX 48

static const struct cql_type *scalar_by_name(const char *name)
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
        if (strcmp(scalars[i].name, name) == 0)
            return cql_type_native(scalars[i].kind);
    }
    return NULL;
}

/* typeAsBlob and blobAsType, for every scalar type. */
static struct function *blob_function(struct run *r, char *name)
{
    const struct cql_type *blob = cql_type_native(CQL_BLOB);
    size_t len = strlen(name);
    struct function *f = arena_new(r->arena, struct function);
    if (strncmp(name, "blobas", 6) == 0) {
        f->kind = FUNCTION_FROM_BLOB;
        f->arg = blob;
        f->result = scalar_by_name(name + 6);
        return f->result != NULL ? f : NULL;
    }
    if (len > 6 && strcmp(name + len - 6, "asblob") == 0) {
        name[len - 6] = '\0';
        f->kind = FUNCTION_AS_BLOB;
        f->arg = scalar_by_name(name);
        f->result = blob;
        return f->arg != NULL ? f : NULL;
    }
    return NULL;
}

static const struct function *bad_count(struct run *r, struct bytes name, size_t want, size_t have)
{
    run_invalid(r,
                "Invalid number of arguments in call to function system.%s: %zu required but %zu "
                "provided",
                run_text(r, name), want, have);
    return NULL;
}

/* The argument as the function takes it: of times each kind of it has its own overload. */
static bool take_args(struct run *r, struct function *f, const struct function_arg *args,
                      size_t count)
{
    bool of_time = f->kind == FUNCTION_TO_TIMESTAMP || f->kind == FUNCTION_TO_DATE ||
                   f->kind == FUNCTION_TO_UNIX;
    const struct cql_type *type = count == 1 ? args[0].type : NULL;
    if (of_time && type != NULL && (type->kind == CQL_TIMESTAMP || type->kind == CQL_DATE))
        f->arg = type;
    for (size_t i = 0; i < count; i++) {
        const struct cql_type *want = function_arg_type(f, i);
        if (function_arg_fit(r, &args[i], want) == FIT_NOT)
            return run_invalid(r,
                               "Type error: %s cannot be passed as argument %zu of function %s of "
                               "type %s",
                               args[i].text, i, f->name, cql_type_text(r->arena, want));
    }
    return true;
}

const struct function *function_find(struct run *r, const struct ast_table *id,
                                     const struct function_arg *args, size_t count,
                                     const struct cql_type *want)
{
    char name[FUNCTION_NAME_MAX];
    size_t len = 0;
    struct bytes full = id->name;
    struct function *f = NULL;
    size_t needs = 1;
    (void)want; /* no two functions here differ in their results only */
    for (size_t i = 0; i < full.len && len + 1 < sizeof name; i++) {
        if (full.data[i] != '_')
            name[len++] = (char)tolower(full.data[i]);
    }
    name[len] = '\0';
    bool ours = id->keyspace.len == 0 || bytes_equal_text(id->keyspace, "system");
    for (size_t i = 0; ours && f == NULL && i < ARRAY_LEN(table); i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        f = arena_new(r->arena, struct function);
        f->kind = table[i].kind;
        f->arg = table[i].arg != 0 ? cql_type_native(table[i].arg) : NULL;
        f->result = cql_type_native(table[i].result);
        f->table = r->table;
        needs = f->kind == FUNCTION_TOKEN && r->table != NULL ? r->table->partition_key_count
                                                              : (f->arg != NULL);
    }
    for (size_t i = 0; ours && i < ARRAY_LEN(not_here); i++) {
        if (strcmp(not_here[i], name) == 0) {
            run_unsupported(r, arena_printf(r->arena, "the function %s", run_text(r, full)));
            return NULL;
        }
    }
    if (ours && f == NULL)
        f = blob_function(r, name);
    if (f == NULL) {
        run_invalid(r, "Unknown function '%s%s%s'", run_text(r, id->keyspace),
                    id->keyspace.len > 0 ? "." : "", run_text(r, full));
        return NULL;
    }
    f->name = arena_printf(r->arena, "system.%s", run_text(r, full));
    if (count != needs)
        return bad_count(r, full, needs, count);
    return take_args(r, f, args, count) ? f : NULL;
}

const char *function_name(const struct function *f)
{
    return f->name;
}

const struct cql_type *function_arg_type(const struct function *f, size_t n)
{
    if (f->kind == FUNCTION_TOKEN && f->table != NULL && n < f->table->partition_key_count)
        return f->table->columns[n].type;
    return f->arg != NULL ? f->arg : cql_type_native(CQL_BLOB);
}

const struct function *function_of_cast(struct run *r, const struct cql_type *from,
                                        const struct cql_type *to)
{
    bool of_time =
        from->kind == CQL_TIMEUUID || from->kind == CQL_TIMESTAMP || from->kind == CQL_DATE;
    if (!of_time || from->kind == to->kind || (to->kind != CQL_DATE && to->kind != CQL_TIMESTAMP))
        return NULL;
    struct function *f = arena_new(r->arena, struct function);
    f->name = "system.cast";
    f->kind = to->kind == CQL_DATE ? FUNCTION_TO_DATE : FUNCTION_TO_TIMESTAMP;
    f->arg = from;
    f->result = to;
    return f;
}

const struct cql_type *function_result(const struct function *f)
{
    return f->result;
}

/* --- times. A timeuuid counts 100 ns since 1582-10-15. */
#define TICKS_AT_EPOCH INT64_C(0x01b21dd213814000)
#define TICKS_PER_MS   10000
#define MS_PER_DAY     INT64_C(86400000)
#define DATE_AT_EPOCH  0x80000000u
#define NANOS_PER_DAY  INT64_C(86400000000000)

int64_t timeuuid_ticks(int64_t wall_us)
{
    return wall_us * 10 + TICKS_AT_EPOCH;
}

static struct uuid uuid_of(uint64_t ticks, uint64_t low)
{
    struct uuid u;
    store_u32(u.b, (uint32_t)ticks);
    store_u16(u.b + 4, (uint16_t)(ticks >> 32));
    store_u16(u.b + 6, (uint16_t)(((ticks >> 48) & 0x0fff) | 0x1000));
    store_u64(u.b + 8, low);
    return u;
}

struct uuid timeuuid_make(struct exec *e, int64_t ticks)
{
    uint64_t low = (rng_next(&e->rng) & UINT64_C(0x3fffffffffffffff)) | UINT64_C(1) << 63;
    return uuid_of((uint64_t)ticks, low | UINT64_C(1) << 40); /* multicast bit: no real node */
}

struct uuid timeuuid_next(struct exec *e, int64_t wall_us)
{
    int64_t ticks = timeuuid_ticks(wall_us);
    e->last_ticks = ticks > e->last_ticks ? ticks : e->last_ticks + 1;
    return timeuuid_make(e, e->last_ticks);
}

static bool ms_of(struct bytes value, const struct cql_type *type, int64_t *ret_ms)
{
    if (type->kind == CQL_TIMEUUID && value.len == 16) {
        uint64_t ticks = (uint64_t)(load_u16(value.data + 6) & 0x0fff) << 48 |
                         (uint64_t)load_u16(value.data + 4) << 32 | load_u32(value.data);
        *ret_ms = ((int64_t)ticks - TICKS_AT_EPOCH) / TICKS_PER_MS;
        return true;
    }
    if ((type->kind == CQL_TIMESTAMP || type->kind == CQL_BIGINT) && value.len == 8) {
        *ret_ms = (int64_t)load_u64(value.data);
        return true;
    }
    if (type->kind == CQL_DATE && value.len == 4) {
        *ret_ms = ((int64_t)load_u32(value.data) - (int64_t)DATE_AT_EPOCH) * MS_PER_DAY;
        return true;
    }
    return false;
}

static struct cql_value put64(struct run *r, int64_t v)
{
    uint8_t *p = arena_alloc(r->arena, 8);
    store_u64(p, (uint64_t)v);
    return cql_value_make(bytes_make(p, 8));
}

static struct cql_value put_date(struct run *r, int64_t ms)
{
    int64_t day = ms >= 0 ? ms / MS_PER_DAY : -((MS_PER_DAY - 1 - ms) / MS_PER_DAY);
    uint8_t *p = arena_alloc(r->arena, 4);
    store_u32(p, (uint32_t)(day + (int64_t)DATE_AT_EPOCH));
    return cql_value_make(bytes_make(p, 4));
}

static struct cql_value put_uuid_value(struct run *r, struct uuid u)
{
    return cql_value_make(arena_copy(r->arena, bytes_make(u.b, sizeof u.b)));
}

static bool time_of(struct run *r, const struct function *f, struct bytes arg,
                    const struct cql_type *type, struct cql_value *ret)
{
    int64_t ms;
    if (!ms_of(arg, type, &ms))
        return run_invalid(r, "Invalid argument of type %s for a function of time",
                           cql_type_text(r->arena, type));
    switch (f->kind) {
    case FUNCTION_TO_DATE: *ret = put_date(r, ms); break;
    case FUNCTION_MIN_TIMEUUID:
        *ret = put_uuid_value(r, uuid_of((uint64_t)ms * TICKS_PER_MS + (uint64_t)TICKS_AT_EPOCH,
                                         UINT64_C(0x8080808080808080)));
        break;
    case FUNCTION_MAX_TIMEUUID:
        *ret = put_uuid_value(
            r, uuid_of((uint64_t)ms * TICKS_PER_MS + TICKS_PER_MS - 1 + (uint64_t)TICKS_AT_EPOCH,
                       UINT64_C(0x7f7f7f7f7f7f7f7f)));
        break;
    default: *ret = put64(r, ms); break;
    }
    return true;
}

static bool token_of(struct run *r, const struct cql_value *args, size_t count,
                     struct cql_value *ret)
{
    struct bytes *parts = arena_array(r->arena, struct bytes, count);
    struct buf b;
    struct errmsg m;
    for (size_t i = 0; i < count; i++)
        parts[i] = args[i].data;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = partition_key_compose(parts, count, &b, &m);
    if (err == ERR_OK)
        *ret = put64(r, murmur3_token(buf_bytes(&b)));
    buf_close(&b);
    return run_err(r, err, &m);
}

bool function_call(struct run *r, const struct function *f, const struct cql_value *args,
                   size_t count, struct cql_value *ret)
{
    struct errmsg m;
    int64_t ms = r->now_us / USEC_PER_MS;
    for (size_t i = 0; i < count; i++) {
        *ret = CQL_NULL; /* of null is null */
        if (args[i].kind != CQL_VALUE_SET)
            return true;
    }
    switch (f->kind) {
    case FUNCTION_NOW: *ret = put_uuid_value(r, timeuuid_next(r->exec, r->now_us)); return true;
    case FUNCTION_UUID: *ret = put_uuid_value(r, rng_uuid(&r->exec->rng)); return true;
    case FUNCTION_CURRENT_TIMESTAMP: *ret = put64(r, ms); return true;
    case FUNCTION_CURRENT_DATE: *ret = put_date(r, ms); return true;
    case FUNCTION_CURRENT_TIME: *ret = put64(r, r->now_us * 1000 % NANOS_PER_DAY); return true;
    case FUNCTION_TOKEN: return token_of(r, args, count, ret);
    case FUNCTION_AS_BLOB: *ret = args[0]; return true;
    case FUNCTION_FROM_BLOB:
        *ret = args[0];
        return run_err(r, value_validate(f->result, args[0].data, &m), &m);
    default: return time_of(r, f, args[0].data, f->arg, ret);
    }
}
