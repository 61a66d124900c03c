#include "base/mem.h"
#include "unit/node_cql_proto/wire.h"

static struct {
    struct arena arena;
    struct buf buf;
    struct cql_response response;
    struct errmsg msg;
} f;

void response_setup(void);
void response_teardown(void);

void response_setup(void)
{
    arena_init(&f.arena);
    buf_init(&f.buf, 1 << 20);
}

void response_teardown(void)
{
    buf_close(&f.buf);
    arena_close(&f.arena);
}

static enum err read_body(uint8_t version, enum cql_opcode opcode, uint8_t flags, struct bytes body)
{
    struct cql_frame frame = {{.version = version,
                               .response = true,
                               .flags = flags,
                               .opcode = (uint8_t)opcode,
                               .length = (uint32_t)body.len},
                              body};
    return cql_response_read(&frame, &f.arena, &f.response, &f.msg);
}

/* However a body is cut short it is malformed. */
static void expect_cuts_malformed(uint8_t version, enum cql_opcode opcode, uint8_t flags,
                                  struct bytes body)
{
    struct cql_response whole = f.response;
    for (size_t n = 0; n < body.len; n++) {
        uint8_t *cut = mem_copy(body.data, n);
        CU_ASSERT_EQUAL(read_body(version, opcode, flags, bytes_make(cut, n)), ERR_MALFORMED);
        mem_free(cut);
    }
    f.response = whole;
}

/* Golden body -> f.response -> the same bytes; no cut of it is accepted. */
static void read_and_write_again(uint8_t version, enum cql_opcode opcode, uint8_t flags,
                                 const char *hex)
{
    struct bytes body = wire_hex(&f.arena, hex);
    CU_ASSERT_EQUAL(read_body(version, opcode, flags, body), ERR_OK);
    buf_clear(&f.buf);
    CU_ASSERT_EQUAL(cql_response_put(&f.buf, version, &f.response), flags);
    wire_expect(&f.arena, buf_bytes(&f.buf), hex);
    expect_cuts_malformed(version, opcode, flags, body);
    for (size_t extra = 0; extra < 3; extra++) { /* what a later server may add is ignored */
        struct buf more;
        buf_init(&more, 1 << 20);
        buf_put_bytes(&more, body);
        buf_put(&more, "\0\0", extra);
        CU_ASSERT_EQUAL(read_body(version, opcode, flags, buf_bytes(&more)), ERR_OK);
        buf_close(&more);
    }
    CU_ASSERT_EQUAL(read_body(version, opcode, flags, body), ERR_OK);
}

static void handshake(void)
{
    read_and_write_again(4, CQL_READY, 0, "");
    read_and_write_again(4, CQL_AUTHENTICATE, 0, "0003 612e62");
    CU_ASSERT_TRUE(bytes_equal_text(f.response.authenticator, "a.b"));
    read_and_write_again(4, CQL_AUTH_SUCCESS, 0, "ffffffff");
    CU_ASSERT_EQUAL(f.response.token.kind, CQL_VALUE_NULL);
    read_and_write_again(4, CQL_AUTH_CHALLENGE, 0, "00000002 6162");
    CU_ASSERT_TRUE(bytes_equal_text(f.response.token.data, "ab"));
    read_and_write_again(4, CQL_SUPPORTED, 0, "0002 0001 61 0000 0001 62 0002 0001 78 0001 79");
    CU_ASSERT_EQUAL_FATAL(f.response.supported.count, 2);
    CU_ASSERT_TRUE(bytes_equal_text(f.response.supported.items[1].values.items[1], "y"));
}

static void plain_errors(void)
{
    static const enum cql_error_code codes[] = {
        CQL_ERROR_SERVER,     CQL_ERROR_PROTOCOL,          CQL_ERROR_CREDENTIALS,
        CQL_ERROR_OVERLOADED, CQL_ERROR_BOOTSTRAPPING,     CQL_ERROR_TRUNCATE,
        CQL_ERROR_SYNTAX,     CQL_ERROR_UNAUTHORIZED,      CQL_ERROR_INVALID,
        CQL_ERROR_CONFIG,     CQL_ERROR_CDC_WRITE_FAILURE,
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct cql_error e = cql_error_make(codes[i], BYTES_LIT("why"));
        buf_clear(&f.buf);
        cql_error_put(&f.buf, 4, &e);
        CU_ASSERT_EQUAL(f.buf.len, 9);
        CU_ASSERT_EQUAL(read_body(4, CQL_ERROR, 0, buf_bytes(&f.buf)), ERR_OK);
        CU_ASSERT_EQUAL(f.response.error.code, codes[i]);
        CU_ASSERT_TRUE(bytes_equal_text(f.response.error.message, "why"));
    }
    /* A code from elsewhere is kept. */
    read_and_write_again(4, CQL_ERROR, 0, "00007777 0001 61");
    CU_ASSERT_EQUAL(f.response.error.code, 0x7777);
}

static void errors_with_a_body(void)
{
    const struct cql_error *e = &f.response.error;
    read_and_write_again(4, CQL_ERROR, 0, "00001000 0001 75 0004 00000002 00000001");
    CU_ASSERT_TRUE(e->consistency == CQL_CL_QUORUM && e->required == 2 && e->received == 1);
    read_and_write_again(4, CQL_ERROR, 0,
                         "00001100 0001 77 0004 00000001 00000002 0006 53494d504c45");
    CU_ASSERT_TRUE(e->received == 1 && e->required == 2 && e->write_type == CQL_WRITE_SIMPLE);
    read_and_write_again(4, CQL_ERROR, 0, "00001100 0001 77 0008 00000001 00000002 0003 434153");
    CU_ASSERT_EQUAL(e->write_type, CQL_WRITE_CAS);
    read_and_write_again(5, CQL_ERROR, 0,
                         "00001100 0001 77 0008 00000001 00000002 0003 434153 0007");
    CU_ASSERT_EQUAL(e->contentions, 7);
    read_and_write_again(4, CQL_ERROR, 0, "00001200 0001 72 0001 00000000 00000001 01");
    CU_ASSERT_TRUE(e->data_present && e->received == 0 && e->required == 1);
    read_and_write_again(5, CQL_ERROR, 0, "00001700 0001 63 0008 00000001 00000002");
    CU_ASSERT_EQUAL(e->code, CQL_ERROR_CAS_WRITE_UNKNOWN);
    read_and_write_again(4, CQL_ERROR, 0,
                         "00001400 0001 66 0001 6b 0001 67 0002 0003 696e74 0001 78");
    CU_ASSERT_TRUE(bytes_equal_text(e->name, "g") && e->arg_types.count == 2);
    read_and_write_again(4, CQL_ERROR, 0, "00002400 0001 61 0002 6b73 0000");
    CU_ASSERT_TRUE(bytes_equal_text(e->keyspace, "ks") && e->name.len == 0);
    read_and_write_again(4, CQL_ERROR, 0, "00002500 0001 61 0004 deadbeef");
    CU_ASSERT_EQUAL(e->id.len, 4);
}

static void failures_of_replicas(void)
{
    const struct cql_error *e = &f.response.error;
    read_and_write_again(4, CQL_ERROR, 0, "00001300 0001 72 0004 00000001 00000002 00000003 00");
    CU_ASSERT_TRUE(e->failure_count == 3 && e->failures == NULL && !e->data_present);
    read_and_write_again(5, CQL_ERROR, 0,
                         "00001300 0001 72 0004 00000001 00000002 00000002 04 0a000001 0001"
                         " 10 fe800000000000000000000000000001 0002 01");
    CU_ASSERT_TRUE_FATAL(e->failure_count == 2 && e->failures != NULL);
    CU_ASSERT_EQUAL(e->failures[1].code, CQL_FAILURE_TIMEOUT);
    read_and_write_again(4, CQL_ERROR, 0,
                         "00001500 0001 77 0004 00000001 00000002 00000001 0005 4241544348");
    CU_ASSERT_EQUAL(e->write_type, CQL_WRITE_BATCH);
    read_and_write_again(5, CQL_ERROR, 0,
                         "00001500 0001 77 0004 00000001 00000002 00000001 04 0a000001 0000"
                         " 0005 4241544348");
    struct bytes lie = wire_hex(&f.arena, "00001300 0001 72 0004 00000001 00000002 7fffffff 04");
    CU_ASSERT_EQUAL(read_body(5, CQL_ERROR, 0, lie), ERR_MALFORMED);
    /* Version 4 has no word for an unknown outcome of a condition. */
    struct cql_error unknown = cql_error_make(CQL_ERROR_CAS_WRITE_UNKNOWN, BYTES_LIT("c"));
    unknown.consistency = CQL_CL_SERIAL;
    buf_clear(&f.buf);
    cql_error_put(&f.buf, 4, &unknown);
    wire_expect(&f.arena, buf_bytes(&f.buf), "00001100 0001 63 0008 00000000 00000000 0003 434153");
}

static void small_results(void)
{
    read_and_write_again(4, CQL_RESULT, 0, "00000001");
    CU_ASSERT_EQUAL(f.response.kind, CQL_RESULT_VOID);
    read_and_write_again(4, CQL_RESULT, 0, "00000003 0002 6b73");
    CU_ASSERT_TRUE(bytes_equal_text(f.response.keyspace, "ks"));
    read_and_write_again(4, CQL_RESULT, 0,
                         "00000005 0007 43524541544544 0008 4b45595350414345 0002 6b73");
    CU_ASSERT_EQUAL(f.response.schema.target, CQL_TARGET_KEYSPACE);
    read_and_write_again(4, CQL_RESULT, 0,
                         "00000005 0007 44524f50504544 0005 5441424c45 0002 6b73 0001 74");
    CU_ASSERT_TRUE(bytes_equal_text(f.response.schema.name, "t"));
    read_and_write_again(
        4, CQL_RESULT, 0,
        "00000005 0007 55504441544544 0008 46554e4354494f4e 0002 6b73 0001 66 0001 0003 696e74");
    CU_ASSERT_EQUAL(f.response.schema.arg_types.count, 1);
    CU_ASSERT_EQUAL(read_body(4, CQL_RESULT, 0, wire_hex(&f.arena, "00000006")), ERR_MALFORMED);
}

static void events(void)
{
    const struct cql_event *e = &f.response.event;
    read_and_write_again(4, CQL_EVENT, 0,
                         "000d 5354415455535f4348414e4745 0004 444f574e 04 7f000001 00002352");
    CU_ASSERT_TRUE(e->type == CQL_EVENT_STATUS_CHANGE && e->node.change == CQL_NODE_DOWN);
    CU_ASSERT_EQUAL(e->node.node.port, 9042);
    read_and_write_again(4, CQL_EVENT, 0,
                         "000f 544f504f4c4f47595f4348414e4745 0008 4e45575f4e4f4445 04 7f000001"
                         " 00002352");
    CU_ASSERT_EQUAL(e->node.change, CQL_NODE_NEW_NODE);
    read_and_write_again(4, CQL_EVENT, 0,
                         "000d 534348454d415f4348414e4745 0007 44524f50504544 0004 54595045"
                         " 0002 6b73 0001 74");
    CU_ASSERT_EQUAL(e->schema.target, CQL_TARGET_TYPE);
}

#define GLOBAL_TABLE "0002 6b73 0001 74 "

static void rows(void)
{
    const struct cql_rows *rows = &f.response.rows;
    read_and_write_again(4, CQL_RESULT, 0,
                         "00000002 00000001 00000002 " GLOBAL_TABLE "0001 61 0009 0001 62 0020 000d"
                         " 00000002 00000004 00000001 ffffffff 00000000 00000001 78");
    CU_ASSERT_TRUE_FATAL(rows->count == 2 && rows->metadata.column_count == 2);
    CU_ASSERT_TRUE(bytes_equal_text(rows->metadata.columns[1].name, "b"));
    CU_ASSERT_TRUE(bytes_equal_text(rows->metadata.columns[1].table, "t"));
    CU_ASSERT_TRUE(bytes_equal(rows->metadata.columns[1].type, BYTES_LIT("\0\x20\0\x0d")));
    struct reader r = cql_rows_reader(rows);
    CU_ASSERT_EQUAL(cql_read_bytes(&r).data.len, 4);
    CU_ASSERT_EQUAL(cql_read_bytes(&r).kind, CQL_VALUE_NULL);
    CU_ASSERT_EQUAL(cql_read_bytes(&r).kind, CQL_VALUE_SET);
    CU_ASSERT_EQUAL(cql_read_bytes(&r).data.len, 1);
    CU_ASSERT_TRUE(reader_done(&r));
    /* Of two tables: no global table, one with each column. */
    read_and_write_again(4, CQL_RESULT, 0,
                         "00000002 00000000 00000002 0001 6b 0001 74 0001 61 0009"
                         " 0001 6b 0001 75 0001 62 0009 00000000");
    CU_ASSERT_TRUE(bytes_equal_text(rows->metadata.columns[1].table, "u"));
    /* The client knows the columns; there is more to come. */
    read_and_write_again(4, CQL_RESULT, 0,
                         "00000002 00000006 00000001 00000002 7073 00000001 00000001 78");
    CU_ASSERT_TRUE(bytes_equal_text(rows->metadata.paging_state, "ps"));
    CU_ASSERT_PTR_NULL(rows->metadata.columns);
    /* The columns changed since it was prepared. */
    read_and_write_again(5, CQL_RESULT, 0,
                         "00000002 00000009 00000001 0002 6964 " GLOBAL_TABLE
                         "0001 61 0009 00000000");
    CU_ASSERT_TRUE(bytes_equal_text(rows->metadata.new_id, "id"));
}

/* What the counts of rows may not say. */
static void rows_that_lie(void)
{
    static const char *const bad[] = {
        "00000002 00000004 00000001 7fffffff 00000000",          /* more rows than bytes */
        "00000002 00000004 00000000 00000001",                   /* rows of nothing */
        "00000002 00000004 80000000 00000000",                   /* negative columns */
        "00000002 00000000 00ffffff 00000000",                   /* more columns than bytes */
        "00000002 00000004 0000ffff 00010001 00000000 00000000", /* the product overflows 32 bits */
        "00000002 00000001 00000001 " GLOBAL_TABLE "0001 61 0077 00000000", /* unknown type */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CU_ASSERT_EQUAL(read_body(4, CQL_RESULT, 0, wire_hex(&f.arena, bad[i])), ERR_MALFORMED);
}

static void prepared(void)
{
    const struct cql_prepared *p = &f.response.prepared;
    read_and_write_again(4, CQL_RESULT, 0,
                         "00000004 0002 6964 00000001 00000002 00000002 0001 0000 " GLOBAL_TABLE
                         "0001 61 0009 0001 62 000d 00000001 00000001 " GLOBAL_TABLE
                         "0001 63 0002");
    CU_ASSERT_TRUE(bytes_equal_text(p->id, "id"));
    CU_ASSERT_TRUE_FATAL(p->bind.pk_count == 2 && p->bind.column_count == 2);
    CU_ASSERT_TRUE(p->bind.pk_indexes[0] == 1 && p->bind.pk_indexes[1] == 0);
    CU_ASSERT_EQUAL(p->result.column_count, 1);
    /* Without markers and without rows, in version 5. */
    read_and_write_again(5, CQL_RESULT, 0,
                         "00000004 0002 6964 0002 726d 00000000 00000000 00000000"
                         " 00000004 00000000");
    CU_ASSERT_TRUE(bytes_equal_text(p->result_metadata_id, "rm"));
    struct bytes beyond =
        wire_hex(&f.arena, "00000004 0002 6964 00000001 00000001 00000001 0001 " GLOBAL_TABLE
                           "0001 61 0009 00000004 00000000");
    CU_ASSERT_EQUAL(read_body(4, CQL_RESULT, 0, beyond), ERR_MALFORMED);
}

static void tracing_warnings_and_payload(void)
{
    read_and_write_again(4, CQL_RESULT, CQL_FLAG_TRACING | CQL_FLAG_WARNING | CQL_FLAG_PAYLOAD,
                         "000102030405060708090a0b0c0d0e0f 0001 0003 6f6f70"
                         " 0001 0001 6b 00000001 76 00000001");
    const struct cql_prefix *p = &f.response.prefix;
    CU_ASSERT_TRUE(p->tracing && p->trace_id.b[15] == 15);
    CU_ASSERT_TRUE_FATAL(p->warnings.count == 1 && p->payload.count == 1);
    CU_ASSERT_TRUE(bytes_equal_text(p->warnings.items[0], "oop"));
    read_and_write_again(4, CQL_ERROR, CQL_FLAG_WARNING, "0001 0001 77 00002200 0001 65");
    CU_ASSERT_EQUAL(f.response.error.code, CQL_ERROR_INVALID);
}

static void requests_are_no_responses(void)
{
    CU_ASSERT_EQUAL(read_body(4, CQL_QUERY, 0, BYTES_NONE), ERR_MALFORMED);
    CU_ASSERT_STRING_EQUAL(f.msg.text, "QUERY: the body is malformed or cut short");
}

/* Flags of version 5 do not leak into version 4, and changed metadata is always told. */
static void flags_by_version(void)
{
    struct cql_column column = {BYTES_LIT("k"), BYTES_LIT("t"), BYTES_LIT("c"),
                                BYTES_LIT("\0\x09")};
    struct cql_rows r = {.metadata = {.flags = CQL_META_CHANGED | CQL_META_NONE,
                                      .column_count = 1,
                                      .columns = &column,
                                      .new_id = BYTES_LIT("n")}};
    cql_rows_put(&f.buf, 4, &r);
    wire_expect(&f.arena, buf_bytes(&f.buf), "00000002 00000004 00000001 00000000");
    buf_clear(&f.buf);
    cql_rows_put(&f.buf, 5, &r);
    wire_expect(&f.arena, buf_bytes(&f.buf),
                "00000002 00000009 00000001 0001 6e 0001 6b 0001 74 0001 63 0009 00000000");
}

CU_TestInfo response_tests[] = {
    {"the handshake", handshake},
    {"plain errors", plain_errors},
    {"errors with a body", errors_with_a_body},
    {"failures of replicas", failures_of_replicas},
    {"small results", small_results},
    {"events", events},
    {"rows", rows},
    {"rows that lie", rows_that_lie},
    {"prepared", prepared},
    {"tracing, warnings and payload", tracing_warnings_and_payload},
    {"requests are no responses", requests_are_no_responses},
    {"flags by version", flags_by_version},
    CU_TEST_INFO_NULL,
};
