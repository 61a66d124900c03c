#include "base/mem.h"
#include "unit/node_cql_proto/wire.h"

#include <string.h>

static struct {
    struct arena arena;
    struct buf buf;
    struct cql_request request;
    struct errmsg msg;
} f;

void request_setup(void);
void request_teardown(void);

void request_setup(void)
{
    arena_init(&f.arena);
    buf_init(&f.buf, 1 << 20);
}

void request_teardown(void)
{
    buf_close(&f.buf);
    arena_close(&f.arena);
}

/* A whole envelope into f.request. */
static enum err read_envelope(const char *hex)
{
    struct bytes bytes = wire_hex(&f.arena, hex);
    struct cql_frame frame = {cql_header_read(bytes.data),
                              bytes_make(bytes.data + CQL_HEADER_SIZE, bytes.len - 9)};
    f.msg.text[0] = 0;
    return cql_request_read(&frame, &f.arena, &f.request, &f.msg);
}

/* Read the driver's bytes, write them again: the same bytes. */
static void read_and_write_again(const char *hex)
{
    CU_ASSERT_EQUAL(read_envelope(hex), ERR_OK);
    struct bytes bytes = wire_hex(&f.arena, hex);
    buf_clear(&f.buf);
    uint8_t flags = cql_request_put(&f.buf, bytes.data[0], &f.request);
    CU_ASSERT_EQUAL(flags, bytes.data[1]);
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&f.buf), bytes_make(bytes.data + 9, bytes.len - 9)));
}

/* All golden envelopes are what the Python driver 3.30.1 sends. */
static void startup_and_register(void)
{
    struct bytes value;
    read_and_write_again("040000010500000000");
    CU_ASSERT_EQUAL(f.request.opcode, CQL_OPTIONS);
    read_and_write_again("0400000101000000280002000b434f4d5052455353494f4e00036c7a34"
                         "000b43514c5f56455253494f4e0005332e342e37");
    CU_ASSERT_TRUE(cql_map_get(&f.request.startup, "CQL_VERSION", &value));
    CU_ASSERT_TRUE(bytes_equal_text(value, "3.4.7"));
    read_and_write_again("040000010b000000220002000f544f504f4c4f47595f4348414e4745"
                         "000d5354415455535f4348414e4745");
    CU_ASSERT_EQUAL(f.request.events.count, 2);
    CU_ASSERT_TRUE(bytes_equal_text(f.request.events.items[1], "STATUS_CHANGE"));
    read_and_write_again("040000010f000000080000000400750070");
    CU_ASSERT_EQUAL(f.request.auth_response.data.len, 4);
    read_and_write_again("04 00 0001 0f 00000004 ffffffff");
    CU_ASSERT_EQUAL(f.request.auth_response.kind, CQL_VALUE_NULL);
}

static void check_query(void)
{
    const struct cql_params *p = &f.request.query.params;
    CU_ASSERT_TRUE(bytes_equal_text(f.request.query.text, "SELECT 1"));
    CU_ASSERT_EQUAL(p->consistency, CQL_CL_QUORUM);
    CU_ASSERT_EQUAL(p->flags, CQL_QUERY_PAGE_SIZE | CQL_QUERY_PAGING_STATE | CQL_QUERY_SERIAL |
                                  CQL_QUERY_TIMESTAMP);
    CU_ASSERT_EQUAL(p->page_size, 5000);
    CU_ASSERT_TRUE(bytes_equal_text(p->paging_state, "ps"));
    CU_ASSERT_EQUAL(p->serial_consistency, CQL_CL_LOCAL_SERIAL);
    CU_ASSERT_EQUAL(p->timestamp, 1234567890123456);
}

static void query(void)
{
    read_and_write_again("0400000107000000230000000853454c454354203100043c0000138800000002"
                         "70730009000462d53c8abac0");
    check_query();
    read_and_write_again("0500000107000000260000000853454c454354203100040000003c000013880000"
                         "000270730009000462d53c8abac0");
    check_query();
    read_and_write_again("05000001070000001300000005555345207800010000008000026b73");
    CU_ASSERT_TRUE(bytes_equal_text(f.request.query.params.keyspace, "ks"));
    /* now_in_seconds, which the Python driver does not send */
    read_and_write_again("05 00 0001 07 00000010 00000002 5553 0001 00000100 65000000");
    CU_ASSERT_EQUAL(f.request.query.params.now_in_seconds, 0x65000000);
    CU_ASSERT_EQUAL(f.request.query.params.serial_consistency, CQL_CL_SERIAL);
}

static void check_execute(void)
{
    const struct cql_params *p = &f.request.execute.params;
    CU_ASSERT_TRUE(bytes_equal(f.request.execute.id, BYTES_LIT("\1\2")));
    CU_ASSERT_EQUAL(p->consistency, CQL_CL_LOCAL_ONE);
    CU_ASSERT_EQUAL(p->flags, CQL_QUERY_VALUES | CQL_QUERY_SKIP_METADATA);
    CU_ASSERT_EQUAL_FATAL(p->values.count, 3);
    CU_ASSERT_PTR_NULL(p->values.names);
    CU_ASSERT_TRUE(bytes_equal(p->values.items[0].data, BYTES_LIT("\0\0\0\1")));
    CU_ASSERT_EQUAL(p->values.items[1].kind, CQL_VALUE_NULL);
    CU_ASSERT_EQUAL(p->values.items[2].kind, CQL_VALUE_UNSET);
}

static void prepare_and_execute(void)
{
    read_and_write_again("040012340a0000001900020102000a0100030000000400000001ffffffff"
                         "fffffffe");
    CU_ASSERT_EQUAL(f.request.execute.params.flags, CQL_QUERY_VALUES);
    read_and_write_again("040012340a0000001900020102000a0300030000000400000001ffffffff"
                         "fffffffe");
    check_execute();
    read_and_write_again("050012340a00000020000201020002726d000a00000003000300000004000000"
                         "01fffffffffffffffe");
    check_execute();
    CU_ASSERT_TRUE(bytes_equal_text(f.request.execute.result_metadata_id, "rm"));
    read_and_write_again("04000001090000000c0000000853454c454354203f");
    CU_ASSERT_FALSE(f.request.prepare.has_keyspace);
    read_and_write_again("0500000109000000140000000853454c454354203f0000000100026b73");
    CU_ASSERT_TRUE(bytes_equal_text(f.request.prepare.text, "SELECT ?"));
    CU_ASSERT_TRUE(bytes_equal_text(f.request.prepare.keyspace, "ks"));
}

static void check_batch(void)
{
    CU_ASSERT_EQUAL(f.request.batch.type, CQL_BATCH_UNLOGGED);
    CU_ASSERT_EQUAL_FATAL(f.request.batch.count, 2);
    const struct cql_batch_item *items = f.request.batch.items;
    CU_ASSERT_TRUE(!items[0].prepared && items[1].prepared);
    CU_ASSERT_TRUE(bytes_equal_text(items[0].statement, "I"));
    CU_ASSERT_TRUE(bytes_equal(items[1].statement, BYTES_LIT("\xaa")));
    CU_ASSERT_TRUE(items[0].values.count == 0 && items[1].values.count == 2);
    CU_ASSERT_EQUAL(f.request.batch.params.timestamp, 7);
    CU_ASSERT_EQUAL(f.request.batch.params.consistency, CQL_CL_ONE);
}

static void batch(void)
{
    read_and_write_again("040000010d000000250100020000000001490000010001aa00020000000178ffff"
                         "ffff0001200000000000000007");
    check_batch();
    read_and_write_again("050000010d000000280100020000000001490000010001aa00020000000178ffff"
                         "ffff0001000000200000000000000007");
    check_batch();
    read_and_write_again("04 00 0001 0d 00000006 00 0000 0001 00"); /* of nothing */
    CU_ASSERT_EQUAL(f.request.batch.count, 0);
}

static void named_values(void)
{
    read_and_write_again("04 00 0001 07 0000001a 00000001 51 0001 41 0002 0001 61 00000001 31"
                         "0002 6262 ffffffff");
    const struct cql_values *v = &f.request.query.params.values;
    CU_ASSERT_TRUE_FATAL(v->count == 2 && v->names != NULL);
    CU_ASSERT_TRUE(bytes_equal_text(v->names[0], "a") && bytes_equal_text(v->names[1], "bb"));
    CU_ASSERT_EQUAL(v->items[1].kind, CQL_VALUE_NULL);
    /* The flag without values says nothing. */
    CU_ASSERT_EQUAL(read_envelope("04 00 0001 07 00000008 00000001 51 0001 40"), ERR_OK);
    CU_ASSERT_EQUAL(f.request.query.params.flags, 0);
}

static void custom_payload_and_tracing(void)
{
    read_and_write_again("04 06 0001 07 00000013 0001 0001 6b 00000002 7676 00000001 51 0001 00");
    CU_ASSERT_TRUE(f.request.tracing);
    CU_ASSERT_EQUAL_FATAL(f.request.payload.count, 1);
    CU_ASSERT_TRUE(bytes_equal_text(f.request.payload.items[0].value, "vv"));
    CU_ASSERT_TRUE(bytes_equal_text(f.request.query.text, "Q"));
}

/* As Cassandra does: flags that nobody knows, and bytes behind the end. */
static void the_unknown_is_ignored(void)
{
    CU_ASSERT_EQUAL(read_envelope("05 00 0001 07 0000000b 00000001 51 0001 c0000000"), ERR_OK);
    CU_ASSERT_EQUAL(f.request.query.params.flags, 0);
    CU_ASSERT_EQUAL(read_envelope("04 00 0001 07 00000009 00000001 51 0001 80 00"), ERR_OK);
    CU_ASSERT_EQUAL(f.request.query.params.flags, 0); /* a keyspace is version 5's */
    CU_ASSERT_EQUAL(read_envelope("04 00 0001 07 0000000c 00000001 51 0001 08 ffffffff"), ERR_OK);
    CU_ASSERT_EQUAL(f.request.query.params.flags, 0); /* no paging state: from the start */
}

static void malformed_requests_say_why(void)
{
    static const struct {
        const char *hex;
        const char *why;
    } rows[] = {
        {"04 00 0001 07 00000008 00000001 51 000b 00", "QUERY: unknown consistency level"},
        {"04 00 0001 07 0000000a 00000001 51 0001 10 0063", "QUERY: unknown consistency level"},
        {"04 00 0001 07 00000010 00000001 51 0001 20 8000000000000000",
         "QUERY: timestamp out of range"},
        {"04 00 0001 07 0000000a 00000001 51 0001 01 ffff", "QUERY: fewer values than announced"},
        {"04 00 0001 07 0000000e 00000001 51 0001 01 0001 fffffffd",
         "QUERY: the body is malformed or cut short"},
        {"04 00 0001 07 00000004 ffffffff", "QUERY: the body is malformed or cut short"},
        {"04 00 0001 0d 00000006 03 0000 0001 00", "BATCH: unknown batch type"},
        {"04 00 0001 0d 00000006 00 ffff 0001 00", "BATCH: fewer statements than announced"},
        {"04 00 0001 0d 0000000d 00 0001 02 0001 61 0000 0001 00",
         "BATCH: a batch statement is neither text nor prepared"},
        {"04 00 0001 0d 00000006 00 0000 0001 40",
         "BATCH: named values in a batch are not supported"},
        {"04 00 0001 0d 00000006 00 0000 0001 01",
         "BATCH: a batch takes neither values nor paging of its own"},
        {"04 00 0001 08 00000000", "RESULT: the opcode is no request"},
        {"04 00 0001 99 00000000", "?: the opcode is no request"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL(read_envelope(rows[i].hex), ERR_MALFORMED);
        CU_ASSERT_STRING_EQUAL(f.msg.text, rows[i].why);
    }
}

/* However a message is cut short, it is malformed and nothing worse. */
static void cut_messages_are_malformed(void)
{
    static const char *const rows[] = {
        "0400000101000000280002000b434f4d5052455353494f4e00036c7a34000b43514c5f56455253494f4e00"
        "05332e342e37",
        "0500000107000000260000000853454c454354203100040000003c00001388000000027073000900"
        "0462d53c8abac0",
        "050012340a00000020000201020002726d000a0000000300030000000400000001fffffffffffffffe",
        "0500000109000000140000000853454c454354203f0000000100026b73",
        "050000010d000000280100020000000001490000010001aa00020000000178ffffffff00010000002000000000"
        "00000007",
        "040000010b000000220002000f544f504f4c4f47595f4348414e4745000d5354415455535f4348414e4745",
        "04 06 0001 07 00000013 0001 0001 6b 00000002 7676 00000001 51 0001 00",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bytes all = wire_hex(&f.arena, rows[i]);
        for (size_t n = CQL_HEADER_SIZE; n < all.len; n++) {
            /* A copy of its own: a read past its end is then seen by the sanitizer. */
            uint8_t *cut = mem_copy(all.data, n);
            struct cql_frame frame = {cql_header_read(cut), bytes_make(cut + 9, n - 9)};
            CU_ASSERT_EQUAL(cql_request_read(&frame, &f.arena, &f.request, &f.msg), ERR_MALFORMED);
            CU_ASSERT_EQUAL(cql_request_read(&frame, &f.arena, &f.request, NULL), ERR_MALFORMED);
            mem_free(cut);
        }
    }
}

static void what_does_not_fit_fails(void)
{
    struct cql_request r = {.opcode = CQL_EXECUTE};
    r.execute.id = wire_text(&f.arena, 65536);
    cql_request_put(&f.buf, 4, &r);
    CU_ASSERT_EQUAL(buf_finish(&f.buf), ERR_TOO_BIG);
    buf_clear(&f.buf);
    r = (struct cql_request){.opcode = CQL_BATCH};
    r.batch.count = 65536;
    cql_request_put(&f.buf, 4, &r);
    CU_ASSERT_EQUAL(buf_finish(&f.buf), ERR_TOO_BIG);
}

CU_TestInfo request_tests[] = {
    {"STARTUP, REGISTER, AUTH_RESPONSE", startup_and_register},
    {"QUERY", query},
    {"PREPARE and EXECUTE", prepare_and_execute},
    {"BATCH", batch},
    {"named values", named_values},
    {"custom payload and tracing", custom_payload_and_tracing},
    {"the unknown is ignored", the_unknown_is_ignored},
    {"malformed requests say why", malformed_requests_say_why},
    {"cut messages are malformed", cut_messages_are_malformed},
    {"what does not fit fails", what_does_not_fit_fails},
    CU_TEST_INFO_NULL,
};
