/* message.h - the bytes that gossip sends, declared once. Do not renumber; append.
 *
 *   packet    = header message*                    a datagram or one message of the stream
 *   header    = [1, cluster bin, host id, address of the sender]
 *   message   = [1 PING,      seq, target host id]
 *             | [2 PING_REQ,  seq, target host id, target address]   please ping it for me
 *             | [3 ACK,       seq, stranger bool]    stranger: I do not know you, introduce
 * yourself | [4 NACK,      seq]                   I pinged it for you and heard nothing in time |
 * [5 ALIVE,     member...] | [6 SUSPECT,   host id, incarnation, accuser host id] | [7 DEAD, host
 * id, incarnation, accuser host id]  accuser = host id: it left | [8 PUSH_PULL, reply bool] all
 * STATEs follow; not a reply: send me yours | [9 STATE,     state, age s, member...] member... =
 * host id, address, cql address, http port, dc bin, rack bin, release bin, generation, incarnation,
 * epoch, node number, phase, load, blob bin
 *
 * Everything is msgpack; a host id is bin of 16 bytes, an address bin of 18 (ip, port big endian).
 * Encoding is msgpack-c's. Decoding pulls values out of the bytes one after the other and allocates
 * nothing, so what a packet announces can never make us ask for memory. A packet is decoded to its
 * end before any of it is believed.
 */
#ifndef TORC_GOSSIP_MESSAGE_H
#define TORC_GOSSIP_MESSAGE_H

#include "base/buf.h"
#include "gossip/gossip.h"

#define GOSSIP_FORMAT      1
#define GOSSIP_CLUSTER_MAX 128 /* bytes of the label; a longer one is cut */

enum gossip_message_type {
    GOSSIP_PING = 1,
    GOSSIP_PING_REQ = 2,
    GOSSIP_ACK = 3,
    GOSSIP_NACK = 4,
    GOSSIP_TELL_ALIVE = 5,
    GOSSIP_TELL_SUSPECT = 6,
    GOSSIP_TELL_DEAD = 7,
    GOSSIP_PUSH_PULL = 8,
    GOSSIP_STATE = 9
};

struct gossip_header {
    struct bytes cluster;
    struct uuid host_id;
    struct endpoint addr;
};

/* Only the fields of the type are set; the rest is zero. */
struct gossip_message {
    enum gossip_message_type type;
    uint32_t seq;
    struct uuid host_id; /* target, or who is spoken of */
    struct endpoint addr;
    bool flag; /* ACK: stranger; PUSH_PULL: reply */
    uint64_t incarnation;
    struct uuid accuser;
    uint32_t age_s;
    struct gossip_member member; /* ALIVE, STATE; texts and blob are views of the packet */
};

void gossip_encode_header(const struct gossip_header *h, struct buf *out);
void gossip_encode(const struct gossip_message *m, struct buf *out);

/* ERR_MALFORMED when the bytes are none of ours. */
enum err gossip_decode_header(struct reader *r, struct gossip_header *ret_header) MUST_CHECK;

/* The next message; ERR_NOT_FOUND at the end of the packet. */
enum err gossip_decode(struct reader *r, struct gossip_message *ret_message) MUST_CHECK;

#endif
