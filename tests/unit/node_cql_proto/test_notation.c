#include "unit/node_cql_proto/wire.h"

static struct {
    struct arena arena;
    struct buf buf;
} f;

void notation_setup(void);
void notation_teardown(void);

void notation_setup(void)
{
    arena_init(&f.arena);
    buf_init(&f.buf, 1 << 20);
}

void notation_teardown(void)
{
    buf_close(&f.buf);
    arena_close(&f.arena);
}

static void names_go_both_ways(void)
{
    CU_ASSERT_STRING_EQUAL(cql_opcode_name(0x0A), "EXECUTE");
    CU_ASSERT_STRING_EQUAL(cql_opcode_name(0x04), "?");
    CU_ASSERT_STRING_EQUAL(cql_error_text(0x2500), "statement not prepared");
    CU_ASSERT_STRING_EQUAL(cql_error_text(0x9999), "unknown error");
    CU_ASSERT_TRUE(cql_opcode_is_request(CQL_BATCH) && !cql_opcode_is_response(CQL_BATCH));
    CU_ASSERT_TRUE(!cql_opcode_is_request(CQL_EVENT) && cql_opcode_is_response(CQL_EVENT));
    CU_ASSERT_TRUE(!cql_opcode_is_request(0x99) && !cql_opcode_is_response(0x99));
    for (unsigned i = 0; i < CQL_CL_COUNT; i++) {
        enum cql_consistency level = CQL_CL_COUNT;
        CU_ASSERT_TRUE(cql_consistency_parse(bytes_text(cql_consistency_name(i)), &level));
        CU_ASSERT_EQUAL(level, i);
    }
    enum cql_consistency level;
    CU_ASSERT_TRUE(cql_consistency_parse(BYTES_LIT("local_quorum"), &level));
    CU_ASSERT_EQUAL(level, CQL_CL_LOCAL_QUORUM);
    CU_ASSERT_FALSE(cql_consistency_parse(BYTES_LIT("most"), &level));
    CU_ASSERT_FALSE(cql_consistency_parse(BYTES_LIT("QUORUMQUORUMQUORUM"), &level));
    enum cql_write_type type;
    CU_ASSERT_TRUE(cql_write_type_parse(BYTES_LIT("BATCH_LOG"), &type));
    CU_ASSERT_EQUAL(type, CQL_WRITE_BATCH_LOG);
    CU_ASSERT_FALSE(cql_write_type_parse(BYTES_LIT("batch_log"), &type));
}

static void null_unset_and_empty_are_three_things(void)
{
    cql_put_value(&f.buf, CQL_NULL);
    cql_put_value(&f.buf, CQL_UNSET);
    cql_put_value(&f.buf, cql_value_make(BYTES_NONE));
    wire_expect(&f.arena, buf_bytes(&f.buf), "ffffffff fffffffe 00000000");
    struct reader r = reader_make(buf_bytes(&f.buf));
    CU_ASSERT_EQUAL(cql_read_value(&r).kind, CQL_VALUE_NULL);
    CU_ASSERT_EQUAL(cql_read_value(&r).kind, CQL_VALUE_UNSET);
    CU_ASSERT_EQUAL(cql_read_value(&r).kind, CQL_VALUE_SET);
    CU_ASSERT_TRUE(reader_done(&r));

    r = reader_make(wire_hex(&f.arena, "fffffffd"));
    cql_read_value(&r);
    CU_ASSERT_TRUE(r.failed);
    r = reader_make(wire_hex(&f.arena, "fffffffd")); /* for [bytes] any negative length is null */
    CU_ASSERT_EQUAL(cql_read_bytes(&r).kind, CQL_VALUE_NULL);
    CU_ASSERT_FALSE(r.failed);
}

static void addresses_of_both_families(void)
{
    struct endpoint v4 = endpoint_v4(10, 0, 0, 7, 9042);
    struct endpoint v6;
    CU_ASSERT_TRUE(endpoint_parse("[fe80::1]:9042", 0, &v6));
    cql_put_inet(&f.buf, &v4);
    cql_put_inet(&f.buf, &v6);
    wire_expect(&f.arena, buf_bytes(&f.buf),
                "04 0a000007 00002352 10 fe800000000000000000000000000001 00002352");
    struct reader r = reader_make(buf_bytes(&f.buf));
    struct endpoint a = cql_read_inet(&r);
    struct endpoint b = cql_read_inet(&r);
    CU_ASSERT_TRUE(reader_done(&r) && endpoint_equal(&a, &v4) && endpoint_equal(&b, &v6));

    static const char *const bad[] = {"05 0a00000700 00002352", "04 0a000007 00010000",
                                      "04 0a000007 ffffffff", "04 0a0000"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        r = reader_make(wire_hex(&f.arena, bad[i]));
        cql_read_inet(&r);
        CU_ASSERT_TRUE(r.failed);
    }
}

/* A count that the bytes cannot hold takes no memory. */
static void counts_are_bounded_by_the_bytes(void)
{
    struct reader r = reader_make(wire_hex(&f.arena, "ffff 0001 61"));
    size_t used = arena_used(&f.arena);
    CU_ASSERT_EQUAL(cql_read_string_list(&r, &f.arena).count, 0);
    CU_ASSERT_TRUE(r.failed);
    r = reader_make(wire_hex(&f.arena, "ffff 0001 61 0001 62"));
    used = arena_used(&f.arena);
    CU_ASSERT_EQUAL(cql_read_string_map(&r, &f.arena).count, 0);
    CU_ASSERT_TRUE(r.failed);
    CU_ASSERT_EQUAL(arena_used(&f.arena), used);
}

static void maps_keep_null_apart_from_empty(void)
{
    struct cql_pair pairs[] = {{BYTES_LIT("a"), BYTES_NONE}, {BYTES_LIT("b"), BYTES_LIT("")}};
    cql_put_bytes_map(&f.buf, (struct cql_map){pairs, 2});
    wire_expect(&f.arena, buf_bytes(&f.buf), "0002 0001 61 ffffffff 0001 62 00000000");
    struct reader r = reader_make(buf_bytes(&f.buf));
    struct cql_map map = cql_read_bytes_map(&r, &f.arena);
    struct bytes value;
    CU_ASSERT_TRUE_FATAL(map.count == 2 && reader_done(&r));
    CU_ASSERT_PTR_NULL(map.items[0].value.data);
    CU_ASSERT_PTR_NOT_NULL(map.items[1].value.data);
    CU_ASSERT_TRUE(cql_map_get(&map, "b", &value));
    CU_ASSERT_FALSE(cql_map_get(&map, "c", &value));
}

/* What does not fit its length prefix fails, but for the sentence of an error, which is cut where
 * a character ends. */
static void lengths_that_do_not_fit(void)
{
    uint8_t *big = arena_alloc(&f.arena, 70000);
    for (size_t i = 0; i < 70000; i += 2) {
        big[i] = 0xc3;
        big[i + 1] = 0xa9;
    }
    cql_put_string(&f.buf, bytes_make(big, 65536));
    CU_ASSERT_EQUAL(buf_finish(&f.buf), ERR_TOO_BIG);
    buf_clear(&f.buf);
    cql_put_string_cut(&f.buf, bytes_make(big, 70000));
    CU_ASSERT_EQUAL(buf_finish(&f.buf), ERR_OK);
    CU_ASSERT_EQUAL(f.buf.len, 2 + 65534);
}

static void type_descriptions_are_walked(void)
{
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"0009", true},
        {"0000 0003 616263", true},
        {"0020 0009", true},
        {"0021 000d 0022 0003", true},
        {"0031 0002 0009 0020 000d", true},
        {"0030 0001 6b 0001 74 0002 0001 61 0009 0001 62 0031 0000", true},
        {"000a", false},
        {"0016", false},
        {"0032", false},
        {"00", false},
        {"0020", false},
        {"0021 000d", false},
        {"0030 0001 6b 0001 74 0002 0001 61 0009", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bytes hex = wire_hex(&f.arena, rows[i].hex);
        struct reader r = reader_make(hex);
        struct bytes option = cql_option_skip(&r);
        CU_ASSERT_EQUAL(!r.failed, rows[i].good);
        CU_ASSERT_TRUE(!rows[i].good || (reader_done(&r) && bytes_equal(option, hex)));
    }
    for (unsigned depth = 31; depth <= 32; depth++) {
        buf_clear(&f.buf);
        for (unsigned i = 0; i < depth; i++)
            buf_put_u16(&f.buf, CQL_OPTION_LIST);
        buf_put_u16(&f.buf, CQL_OPTION_INT);
        struct reader r = reader_make(buf_bytes(&f.buf));
        cql_option_skip(&r);
        CU_ASSERT_EQUAL(r.failed, depth >= CQL_OPTION_DEPTH_MAX);
    }
}

static void headers_go_both_ways(void)
{
    struct cql_header h = {.version = 5,
                           .response = true,
                           .flags = CQL_FLAG_WARNING,
                           .stream = CQL_STREAM_EVENT,
                           .opcode = CQL_EVENT,
                           .length = 0x01020304};
    cql_header_put(&f.buf, &h);
    wire_expect(&f.arena, buf_bytes(&f.buf), "85 08 ffff 0c 01020304");
    struct cql_header back = cql_header_read(f.buf.data);
    CU_ASSERT_TRUE(back.version == 5 && back.response && back.stream == -1);
    CU_ASSERT_TRUE(back.flags == CQL_FLAG_WARNING && back.opcode == CQL_EVENT);
    CU_ASSERT_EQUAL(back.length, h.length);
}

CU_TestInfo notation_tests[] = {
    {"names go both ways", names_go_both_ways},
    {"null, unset and empty are three things", null_unset_and_empty_are_three_things},
    {"addresses of both families", addresses_of_both_families},
    {"counts are bounded by the bytes", counts_are_bounded_by_the_bytes},
    {"maps keep null apart from empty", maps_keep_null_apart_from_empty},
    {"lengths that do not fit", lengths_that_do_not_fit},
    {"type descriptions are walked", type_descriptions_are_walked},
    {"headers go both ways", headers_go_both_ways},
    CU_TEST_INFO_NULL,
};
