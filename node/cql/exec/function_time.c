/* function_time.c - times: the present, from one type of time to another, rounded down. */
#include "node/cql/exec/function_inner.h"
#include "node/schema/floor.h"

#include <string.h>

/* A timeuuid counts 100 ns since 1582-10-15. */
#define TICKS_AT_EPOCH INT64_C(0x01b21dd213814000)
#define TICKS_PER_MS   10000
#define MS_PER_DAY     INT64_C(86400000)
#define DATE_AT_EPOCH  0x80000000u
#define NANOS_PER_DAY  INT64_C(86400000000000)
#define NANOS_PER_MS   1000000

int64_t timeuuid_ticks(int64_t wall_us)
{
    /* a client's timestamp may lie beyond what a timeuuid can say */
    const int64_t most = (INT64_MAX - TICKS_AT_EPOCH) / 10;
    int64_t us = wall_us < -most ? -most : wall_us < most ? wall_us : most;
    return us * 10 + TICKS_AT_EPOCH;
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

/* --- values */

/* False for the empty value. */
static bool ms_of(const struct cql_type *type, struct bytes value, int64_t *ret)
{
    if (value.len == 0)
        return false;
    if (type->kind == CQL_TIMEUUID) {
        uint64_t ticks = (uint64_t)(load_u16(value.data + 6) & 0x0fff) << 48 |
                         (uint64_t)load_u16(value.data + 4) << 32 | load_u32(value.data);
        *ret = ((int64_t)ticks - TICKS_AT_EPOCH) / TICKS_PER_MS;
    } else if (type->kind == CQL_DATE) {
        *ret = ((int64_t)load_u32(value.data) - (int64_t)DATE_AT_EPOCH) * MS_PER_DAY;
    } else {
        *ret = (int64_t)load_u64(value.data);
    }
    return true;
}

static struct cql_value put64(struct run *r, int64_t v)
{
    uint8_t *p = arena_alloc(r->arena, 8);
    store_u64(p, (uint64_t)v);
    return cql_value_make(bytes_make(p, 8));
}

/* As a date, or as milliseconds. */
static struct cql_value put_ms(struct run *r, const struct cql_type *type, int64_t ms)
{
    if (type->kind != CQL_DATE)
        return put64(r, ms);
    int64_t day = ms >= 0 ? ms / MS_PER_DAY : -((MS_PER_DAY - 1 - ms) / MS_PER_DAY);
    uint8_t *p = arena_alloc(r->arena, 4);
    store_u32(p, (uint32_t)(day + (int64_t)DATE_AT_EPOCH));
    return cql_value_make(bytes_make(p, 4));
}

static struct cql_value put_uuid(struct run *r, struct uuid u)
{
    return cql_value_make(arena_copy(r->arena, bytes_make(u.b, sizeof u.b)));
}

/* --- bodies */

static bool now(struct run *r, const struct function *f, const struct cql_value *args, size_t count,
                struct cql_value *ret)
{
    (void)args;
    (void)count;
    switch (f->result->kind) {
    case CQL_TIMEUUID: *ret = put_uuid(r, timeuuid_next(r->exec, r->now_us)); break;
    case CQL_UUID: *ret = put_uuid(r, rng_uuid(&r->exec->rng)); break;
    case CQL_TIME: *ret = put64(r, r->now_us * 1000 % NANOS_PER_DAY); break;
    default: *ret = put_ms(r, f->result, r->now_us / USEC_PER_MS); break;
    }
    return true;
}

static bool convert(struct run *r, const struct function *f, const struct cql_value *args,
                    size_t count, struct cql_value *ret)
{
    int64_t ms;
    if (!any_null(args, count) && ms_of(f->args[0], args[0].data, &ms))
        *ret = put_ms(r, f->result, ms);
    return true;
}

static bool min_timeuuid(struct run *r, const struct function *f, const struct cql_value *args,
                         size_t count, struct cql_value *ret)
{
    int64_t ms;
    if (!any_null(args, count) && ms_of(f->args[0], args[0].data, &ms))
        *ret = put_uuid(r, uuid_of((uint64_t)ms * TICKS_PER_MS + (uint64_t)TICKS_AT_EPOCH,
                                   UINT64_C(0x8080808080808080)));
    return true;
}

static bool max_timeuuid(struct run *r, const struct function *f, const struct cql_value *args,
                         size_t count, struct cql_value *ret)
{
    int64_t ms;
    if (!any_null(args, count) && ms_of(f->args[0], args[0].data, &ms))
        *ret = put_uuid(
            r, uuid_of((uint64_t)ms * TICKS_PER_MS + TICKS_PER_MS - 1 + (uint64_t)TICKS_AT_EPOCH,
                       UINT64_C(0x7f7f7f7f7f7f7f7f)));
    return true;
}

static const char *duration_text(struct run *r, struct bytes value)
{
    struct buf b;
    buf_init(&b, 256);
    value_print(cql_type_native(CQL_DURATION), value, &b);
    return run_text(r, run_take(r, &b));
}

static bool floor_of_time(struct run *r, struct bytes time, const struct cql_duration *d,
                          struct cql_value *ret)
{
    int64_t nanos;
    struct errmsg m;
    if (!run_err(r, floor_time((int64_t)load_u64(time.data), d, &nanos, &m), &m))
        return false;
    *ret = put64(r, nanos);
    return true;
}

static bool floor_body(struct run *r, const struct function *f, const struct cql_value *args,
                       size_t count, struct cql_value *ret)
{
    struct cql_duration d;
    struct errmsg m;
    int64_t ms, start = 0;
    if (any_null(args, count) || args[0].data.len == 0 || args[1].data.len == 0)
        return true;
    if (value_duration_read(args[1].data, &d) != ERR_OK)
        return run_invalid(r, "The duration is malformed");
    if (f->result->kind == CQL_TIME)
        return floor_of_time(r, args[0].data, &d, ret);
    if (f->result->kind == CQL_DATE && d.nanos != 0)
        return run_invalid(r,
                           "The floor on date values cannot be computed for the %s duration as "
                           "precision is below 1 day",
                           duration_text(r, args[1].data));
    if (d.nanos % NANOS_PER_MS != 0)
        return run_invalid(r,
                           "The floor cannot be computed for the %s duration as precision is below "
                           "1 millisecond",
                           duration_text(r, args[1].data));
    if (!ms_of(f->args[0], args[0].data, &ms) ||
        (count == 3 && !ms_of(f->args[2], args[2].data, &start)))
        return true;
    if (!run_err(r, floor_timestamp(ms, &d, start, &ms, &m), &m))
        return false;
    *ret = put_ms(r, f->result, ms);
    return true;
}

/* --- names: those with underscores, and as they were before */

static const struct overload overloads[] = {
    {"now", now, CQL_TIMEUUID, {0}},
    {"current_timeuuid", now, CQL_TIMEUUID, {0}},
    {"currenttimeuuid", now, CQL_TIMEUUID, {0}},
    {"current_timestamp", now, CQL_TIMESTAMP, {0}},
    {"currenttimestamp", now, CQL_TIMESTAMP, {0}},
    {"current_date", now, CQL_DATE, {0}},
    {"currentdate", now, CQL_DATE, {0}},
    {"current_time", now, CQL_TIME, {0}},
    {"currenttime", now, CQL_TIME, {0}},
    {"uuid", now, CQL_UUID, {0}},
    {"min_timeuuid", min_timeuuid, CQL_TIMEUUID, {CQL_TIMESTAMP}},
    {"mintimeuuid", min_timeuuid, CQL_TIMEUUID, {CQL_TIMESTAMP}},
    {"max_timeuuid", max_timeuuid, CQL_TIMEUUID, {CQL_TIMESTAMP}},
    {"maxtimeuuid", max_timeuuid, CQL_TIMEUUID, {CQL_TIMESTAMP}},
    {"to_date", convert, CQL_DATE, {CQL_TIMEUUID}},
    {"to_date", convert, CQL_DATE, {CQL_TIMESTAMP}},
    {"todate", convert, CQL_DATE, {CQL_TIMEUUID}},
    {"todate", convert, CQL_DATE, {CQL_TIMESTAMP}},
    {"to_timestamp", convert, CQL_TIMESTAMP, {CQL_TIMEUUID}},
    {"to_timestamp", convert, CQL_TIMESTAMP, {CQL_DATE}},
    {"totimestamp", convert, CQL_TIMESTAMP, {CQL_TIMEUUID}},
    {"totimestamp", convert, CQL_TIMESTAMP, {CQL_DATE}},
    {"to_unix_timestamp", convert, CQL_BIGINT, {CQL_TIMEUUID}},
    {"to_unix_timestamp", convert, CQL_BIGINT, {CQL_TIMESTAMP}},
    {"to_unix_timestamp", convert, CQL_BIGINT, {CQL_DATE}},
    {"tounixtimestamp", convert, CQL_BIGINT, {CQL_TIMEUUID}},
    {"tounixtimestamp", convert, CQL_BIGINT, {CQL_TIMESTAMP}},
    {"tounixtimestamp", convert, CQL_BIGINT, {CQL_DATE}},
    {"floor", floor_body, CQL_TIMESTAMP, {CQL_TIMESTAMP, CQL_DURATION}},
    {"floor", floor_body, CQL_TIMESTAMP, {CQL_TIMESTAMP, CQL_DURATION, CQL_TIMESTAMP}},
    {"floor", floor_body, CQL_TIMESTAMP, {CQL_TIMEUUID, CQL_DURATION}},
    {"floor", floor_body, CQL_TIMESTAMP, {CQL_TIMEUUID, CQL_DURATION, CQL_TIMESTAMP}},
    {"floor", floor_body, CQL_DATE, {CQL_DATE, CQL_DURATION}},
    {"floor", floor_body, CQL_DATE, {CQL_DATE, CQL_DURATION, CQL_DATE}},
    {"floor", floor_body, CQL_TIME, {CQL_TIME, CQL_DURATION}},
};

void function_time_overloads(const char *name, struct overloads *out)
{
    for (size_t i = 0; i < ARRAY_LEN(overloads); i++) {
        if (strcmp(overloads[i].name, name) == 0)
            overloads_add(out, overloads[i]);
    }
}
