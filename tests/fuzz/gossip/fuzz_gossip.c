/* fuzz_gossip.c - any bytes, as datagrams and stream messages, through a living core.
 *
 * The first byte of the input chooses the channel and the time that passes; then comes a length and
 * a packet, and so on. Half the packets get our own header put in front, so that the fuzzer reaches
 * the rules behind the label. gossip_check() runs after every packet.
 */
#include "gossip/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void settle(struct gossip *g, usec *mono, usec until)
{
    for (unsigned i = 0; i < 50 && gossip_deadline(g) < until; i++) {
        *mono = gossip_deadline(g) > *mono ? gossip_deadline(g) : *mono;
        struct gossip_event e = {.now = {*mono, *mono}, .type = GOSSIP_DEADLINE};
        (void)gossip_step(g, &e);
    }
    *mono = until > *mono ? until : *mono;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gossip_config config = {.cluster = "c", .members_max = 16};
    struct gossip_self self = {.host_id = {{1}}, .addr = endpoint_v4(10, 0, 0, 1, 7000)};
    usec mono = USEC_PER_SEC;
    struct gossip *g = gossip_new(&config, &self, 1, (struct now){mono, mono}, NULL);
    struct reader in = reader_make((struct bytes){data, size});
    struct buf packet;
    buf_init(&packet, (size_t)1 << 16);
    while (reader_left(&in) > 3) {
        uint8_t how = read_u8(&in);
        size_t len = read_u16(&in);
        struct bytes body = read_bytes(&in, len < reader_left(&in) ? len : reader_left(&in));
        buf_clear(&packet);
        if (how & 2) {
            struct gossip_header h = {BYTES_LIT("c"),
                                      {{(uint8_t)(1 + (how >> 6))}},
                                      endpoint_v4(10, 0, 0, (uint8_t)(1 + (how >> 6)), 7000)};
            gossip_encode_header(&h, &packet);
        }
        buf_put_bytes(&packet, body);
        struct gossip_event e = {.now = {mono, mono},
                                 .type = how & 1 ? GOSSIP_STREAM : GOSSIP_DATAGRAM,
                                 .from = endpoint_v4(10, 0, 0, 2, 7000),
                                 .bytes = buf_bytes(&packet)};
        (void)gossip_step(g, &e);
        gossip_check(g);
        settle(g, &mono, mono + (usec)((how >> 2) & 7) * USEC_PER_SEC);
        gossip_check(g);
    }
    buf_close(&packet);
    gossip_free(g);
    return 0;
}
