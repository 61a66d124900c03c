/* Every entry is read back as it was written; whatever else comes is refused, not believed. */
#include "node/meta/command.h"

#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static const enum command_kind kinds[] = {
#define X(name, number) COMMAND_##name,
    COMMAND_KINDS(X)
#undef X
};

static uint8_t blob[64];

static struct bytes random_blob(struct rng *r)
{
    return bytes_make(blob, rng_below(r, sizeof blob));
}

static struct command random_command(struct rng *r, enum command_kind kind)
{
    struct command c;
    memset(&c, 0, sizeof c);
    c.kind = kind;
    for (size_t i = 0; i < sizeof blob; i++)
        blob[i] = (uint8_t)rng_next(r);
    bool has_info =
        kind == COMMAND_FOUND || kind == COMMAND_JOIN_START || kind == COMMAND_NODE_UPDATE;
    if (has_info) {
        c.info.host_id = rng_uuid(r);
        c.info.endpoint = endpoint_v4(10, 0, 0, (uint8_t)rng_next(r), (uint16_t)rng_next(r));
        c.info.cql = endpoint_v4(10, 0, 1, (uint8_t)rng_next(r), 9042);
        c.info.weight = (uint32_t)rng_next(r);
        c.info.boot = (uint32_t)rng_next(r);
        snprintf(c.info.dc, sizeof c.info.dc, "dc%u", (unsigned)rng_below(r, 100));
        snprintf(c.info.rack, sizeof c.info.rack, "rack%u", (unsigned)rng_below(r, 100));
    }
    if (kind == COMMAND_FOUND) {
        c.cluster = rng_uuid(r);
        c.name = BYTES_LIT("name");
    }
    if (kind == COMMAND_FOUND || kind == COMMAND_JOIN_START || kind == COMMAND_LEAVE_START)
        c.plan = random_blob(r);
    if (kind == COMMAND_JOIN_START && rng_chance(r, 500000))
        c.replaces = c.info.endpoint;
    if (kind == COMMAND_JOIN_START)
        c.asked_at = rng_next(r);
    bool is_away = kind == COMMAND_AWAY || kind == COMMAND_HERE;
    if (kind == COMMAND_STEP || kind == COMMAND_NODE_UPDATE || kind == COMMAND_LEAVE_START ||
        is_away)
        c.node = (node_no)rng_next(r);
    if (kind == COMMAND_RECOVER)
        c.lost = random_blob(r);
    if (kind == COMMAND_STEP || kind == COMMAND_RECOVER || is_away)
        c.epoch = rng_next(r);
    if (kind == COMMAND_DDL)
        c.ddl = random_blob(r);
    return c;
}

static void expect_same(const struct command *a, const struct command *b)
{
    CU_ASSERT_EQUAL(a->kind, b->kind);
    CU_ASSERT_TRUE(uuid_equal(&a->cluster, &b->cluster));
    CU_ASSERT_TRUE(bytes_equal(a->name, b->name));
    CU_ASSERT_EQUAL(memcmp(&a->info, &b->info, sizeof a->info), 0);
    CU_ASSERT_EQUAL(a->node, b->node);
    CU_ASSERT_TRUE(endpoint_equal(&a->replaces, &b->replaces));
    CU_ASSERT_EQUAL(a->asked_at, b->asked_at);
    CU_ASSERT_EQUAL(a->epoch, b->epoch);
    CU_ASSERT_TRUE(bytes_equal(a->plan, b->plan));
    CU_ASSERT_TRUE(bytes_equal(a->lost, b->lost));
    CU_ASSERT_TRUE(bytes_equal(a->ddl, b->ddl));
}

static void entries_are_read_back(void)
{
    struct rng r;
    struct buf b;
    rng_init(&r, 1);
    buf_init(&b, COMMAND_MAX);
    for (uint32_t i = 0; i < 2000; i++) {
        struct uuid id = rng_uuid(&r), back_id;
        struct command c = random_command(&r, kinds[i % ARRAY_LEN(kinds)]), back;
        buf_clear(&b);
        entry_encode(&id, &c, &b);
        CU_ASSERT_EQUAL_FATAL(entry_decode(buf_bytes(&b), &back_id, &back), ERR_OK);
        CU_ASSERT_TRUE(uuid_equal(&id, &back_id));
        expect_same(&c, &back);
        CU_ASSERT_NOT_EQUAL(entry_decode(bytes_make(b.data, rng_below(&r, b.len)), &id, &back),
                            ERR_OK);
        buf_put_u8(&b, 0);
        CU_ASSERT_EQUAL(entry_decode(buf_bytes(&b), &id, &back), ERR_MALFORMED);
    }
    buf_close(&b);
}

static void the_future_is_unsupported(void)
{
    struct command c;
    uint8_t later_version[] = {3, COMMAND_DDL, 0}, later_kind[] = {2, 200, 0};
    CU_ASSERT_EQUAL(command_decode(bytes_make(later_version, 3), &c), ERR_UNSUPPORTED);
    CU_ASSERT_EQUAL(command_decode(bytes_make(later_kind, 3), &c), ERR_UNSUPPORTED);
    CU_ASSERT_EQUAL(command_decode(BYTES_NONE, &c), ERR_MALFORMED);
}

/* The numbers are stored: these may not change. */
static void kinds_are_what_they_were(void)
{
    CU_ASSERT_EQUAL(COMMAND_FOUND, 1);
    CU_ASSERT_EQUAL(COMMAND_JOIN_START, 2);
    CU_ASSERT_EQUAL(COMMAND_STEP, 6);
    CU_ASSERT_EQUAL(COMMAND_NODE_UPDATE, 4);
    CU_ASSERT_EQUAL(COMMAND_LEAVE_START, 5);
    CU_ASSERT_EQUAL(COMMAND_DDL, 16);
}

CU_TestInfo command_tests[] = {
    {"entries are read back", entries_are_read_back},
    {"the future is unsupported", the_future_is_unsupported},
    {"kinds are what they were", kinds_are_what_they_were},
    CU_TEST_INFO_NULL,
};
