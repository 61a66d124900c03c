/* The codec: what goes in comes out; what is cut or bent is refused. */
#include "base/rng.h"
#include "gossip/message.h"

#include <CUnit/CUnit.h>
#include <string.h>

static const char long_text[GOSSIP_TEXT_SIZE] = "a text that is as long as one can be, about 47.";

static struct gossip_message sample(struct rng *r, enum gossip_message_type type, uint8_t *blob)
{
    struct gossip_message m;
    memset(&m, 0, sizeof m);
    m.type = type;
    m.seq = (uint32_t)rng_next(r);
    m.host_id = rng_uuid(r);
    m.accuser = rng_uuid(r);
    m.addr = endpoint_v4(10, 1, 2, 3, 7000);
    m.flag = rng_chance(r, 500000);
    m.incarnation = rng_next(r) >> rng_below(r, 64);
    m.age_s = (uint32_t)rng_next(r);
    m.member.host_id = rng_uuid(r);
    m.member.addr = m.addr;
    m.member.cql = endpoint_v4(10, 1, 2, 3, 9042);
    m.member.http_port = (uint16_t)rng_next(r);
    m.member.dc = bytes_make(long_text, (size_t)rng_below(r, GOSSIP_TEXT_SIZE));
    m.member.rack = bytes_make(long_text, GOSSIP_TEXT_SIZE - 1);
    m.member.generation = (uint32_t)rng_next(r);
    m.member.incarnation = rng_next(r) >> rng_below(r, 64);
    m.member.state = (enum gossip_state)rng_below(r, 4);
    m.member.app.epoch = rng_next(r);
    m.member.app.node_no = 7;
    m.member.app.phase = GOSSIP_LEAVING;
    m.member.app.load = UINT64_MAX;
    m.member.app.blob = bytes_make(blob, (size_t)rng_below(r, GOSSIP_APP_MAX + 1));
    return m;
}

/* Encoding what was decoded gives the same bytes; every proper prefix is malformed. */
static void round_trips_and_prefixes(void)
{
    struct rng r;
    rng_init(&r, 1);
    uint8_t blob[GOSSIP_APP_MAX];
    memset(blob, 0xa5, sizeof blob);
    for (unsigned i = 0; i < 90; i++) {
        struct gossip_message m = sample(&r, (enum gossip_message_type)(1 + i % 9), blob), back;
        struct buf first, second;
        buf_init(&first, GOSSIP_UPDATE_MAX + 16);
        buf_init(&second, GOSSIP_UPDATE_MAX + 16);
        gossip_encode(&m, &first);
        CU_ASSERT_EQUAL(buf_finish(&first), ERR_OK);
        struct reader in = reader_make(buf_bytes(&first));
        CU_ASSERT_EQUAL_FATAL(gossip_decode(&in, &back), ERR_OK);
        CU_ASSERT(reader_done(&in));
        CU_ASSERT_EQUAL(gossip_decode(&in, &back), ERR_NOT_FOUND);
        gossip_encode(&back, &second);
        CU_ASSERT(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
        for (size_t len = 1; len < first.len; len++) {
            in = reader_make(bytes_make(first.data, len));
            CU_ASSERT_EQUAL(gossip_decode(&in, &back), ERR_MALFORMED);
        }
        buf_close(&first);
        buf_close(&second);
    }
}

static void the_longest_update_fits(void)
{
    struct rng r;
    rng_init(&r, 2);
    uint8_t blob[GOSSIP_APP_MAX] = {0};
    struct gossip_message m = sample(&r, GOSSIP_TELL_ALIVE, blob);
    m.member.dc = bytes_make(long_text, GOSSIP_TEXT_SIZE - 1);
    m.member.release = m.member.dc;
    m.member.incarnation = UINT64_MAX;
    m.member.generation = UINT32_MAX;
    m.member.app.node_no = UINT32_MAX;
    m.member.app.blob.len = GOSSIP_APP_MAX;
    struct buf b;
    buf_init(&b, GOSSIP_UPDATE_MAX);
    gossip_encode(&m, &b);
    CU_ASSERT_EQUAL(buf_finish(&b), ERR_OK);
    buf_close(&b);
}

static void nonsense_is_malformed(void)
{
    const struct bytes rows[] = {
        BYTES_LIT("\xc1"),                 /* no msgpack */
        BYTES_LIT("\x90"),                 /* no type */
        BYTES_LIT("\x92\x00\x01"),         /* type 0 */
        BYTES_LIT("\x92\x63\x01"),         /* unknown type */
        BYTES_LIT("\x93\x04\x01\x01"),     /* a NACK with too many fields */
        BYTES_LIT("\x92\x04\xff"),         /* a negative number */
        BYTES_LIT("\x92\x08\x01"),         /* a number for a boolean */
        BYTES_LIT("\xdd\xff\xff\xff\xff"), /* an enormous array */
    };
    struct gossip_message m;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reader r = reader_make(rows[i]);
        CU_ASSERT_EQUAL(gossip_decode(&r, &m), ERR_MALFORMED);
    }
}

CU_TestInfo message_tests[] = {
    {"round trips and prefixes", round_trips_and_prefixes},
    {"the longest update fits", the_longest_update_fits},
    {"nonsense is malformed", nonsense_is_malformed},
    CU_TEST_INFO_NULL,
};
