/* wire.h - encoding and decoding of the messages of messages.h with msgpack.
 *
 * Pure. Decoded bytes fields are views into the input. Anything malformed, of an unknown number or
 * with trailing bytes gives ERR_MALFORMED; a field of the wrong type too.
 */
#ifndef TORC_NODE_WIRE_WIRE_H
#define TORC_NODE_WIRE_WIRE_H

#include "base/buf.h"
#include "node/wire/messages.h"

#define WIRE_MESSAGE_MAX ((size_t)32 << 20)

enum wire_type {
#define M(NAME, name, number) WIRE_##NAME = number,
    WIRE_MESSAGES(M)
#undef M
};

typedef uint32_t wire_u32;
typedef uint64_t wire_u64;
typedef int64_t wire_i64;
typedef bool wire_flag;
typedef struct uuid wire_uuid;
typedef struct dot wire_dot;
typedef struct bytes wire_bytes;

/* One struct a message: struct wire_write and so on. */
#define F(type, field) wire_##type field;
/* clang-format off */
struct wire_gossip { WIRE_GOSSIP(F) };
struct wire_write { WIRE_WRITE(F) };
struct wire_write_ack { WIRE_WRITE_ACK(F) };
struct wire_forward { WIRE_FORWARD(F) };
struct wire_forward_done { WIRE_FORWARD_DONE(F) };
struct wire_read { WIRE_READ(F) };
struct wire_read_reply { WIRE_READ_REPLY(F) };
struct wire_cas_prepare { WIRE_CAS_PREPARE(F) };
struct wire_cas_promise { WIRE_CAS_PROMISE(F) };
struct wire_cas_accept { WIRE_CAS_ACCEPT(F) };
struct wire_cas_accepted { WIRE_CAS_ACCEPTED(F) };
struct wire_cas_done { WIRE_CAS_DONE(F) };
struct wire_cas_fetch { WIRE_CAS_FETCH(F) };
struct wire_cas_registers { WIRE_CAS_REGISTERS(F) };
struct wire_fold_ask { WIRE_FOLD_ASK(F) };
struct wire_fold_tell { WIRE_FOLD_TELL(F) };
struct wire_batch_keep { WIRE_BATCH_KEEP(F) };
struct wire_batch_kept { WIRE_BATCH_KEPT(F) };
struct wire_batch_drop { WIRE_BATCH_DROP(F) };
struct wire_hint_keep { WIRE_HINT_KEEP(F) };
struct wire_hint_kept { WIRE_HINT_KEPT(F) };
struct wire_maximum_ask { WIRE_MAXIMUM_ASK(F) };
struct wire_maximum_tell { WIRE_MAXIMUM_TELL(F) };
struct wire_meta_hello { WIRE_META_HELLO(F) };
struct wire_meta_welcome { WIRE_META_WELCOME(F) };
struct wire_meta_prepare { WIRE_META_PREPARE(F) };
struct wire_meta_promise { WIRE_META_PROMISE(F) };
struct wire_meta_accept { WIRE_META_ACCEPT(F) };
struct wire_meta_accepted { WIRE_META_ACCEPTED(F) };
struct wire_meta_fetch { WIRE_META_FETCH(F) };
struct wire_meta_entries { WIRE_META_ENTRIES(F) };
struct wire_meta_applied { WIRE_META_APPLIED(F) };
struct wire_meta_propose { WIRE_META_PROPOSE(F) };
struct wire_meta_result { WIRE_META_RESULT(F) };
struct wire_meta_lost { WIRE_META_LOST(F) };
struct wire_meta_lost_told { WIRE_META_LOST_TOLD(F) };
struct wire_clock_digests { WIRE_CLOCK_DIGESTS(F) };
struct wire_clocks { WIRE_CLOCKS(F) };
struct wire_pull { WIRE_PULL(F) };
struct wire_pull_reply { WIRE_PULL_REPLY(F) };
struct wire_agree_ask { WIRE_AGREE_ASK(F) };
struct wire_agree_tell { WIRE_AGREE_TELL(F) };
struct wire_compare_open { WIRE_COMPARE_OPEN(F) };
struct wire_compare_opened { WIRE_COMPARE_OPENED(F) };
struct wire_compare_ask { WIRE_COMPARE_ASK(F) };
struct wire_compare_tell { WIRE_COMPARE_TELL(F) };
struct wire_compare_give { WIRE_COMPARE_GIVE(F) };
struct wire_compare_gave { WIRE_COMPARE_GAVE(F) };
struct wire_compare_roots { WIRE_COMPARE_ROOTS(F) };
struct wire_compare_read { WIRE_COMPARE_READ(F) };
struct wire_compare_same { WIRE_COMPARE_SAME(F) };
struct wire_felt { WIRE_FELT(F) };
struct wire_hint_refused { WIRE_HINT_REFUSED(F) };
struct wire_hint_lost { WIRE_HINT_LOST(F) };
struct wire_hint_marked { WIRE_HINT_MARKED(F) };
struct wire_compare_end { WIRE_COMPARE_END(F) };
struct wire_compare_vote { WIRE_COMPARE_VOTE(F) };
struct wire_compare_voted { WIRE_COMPARE_VOTED(F) };
struct wire_compare_roots_told { WIRE_COMPARE_ROOTS_TOLD(F) };
struct wire_repair_do { WIRE_REPAIR_DO(F) };
struct wire_repair_did { WIRE_REPAIR_DID(F) };
struct wire_repair_stop { WIRE_REPAIR_STOP(F) };
/* clang-format on */
#undef F

struct wire_message {
    enum wire_type type;
    node_no from;        /* 0: the sender has not joined */
    int64_t hlc;         /* the sender's hybrid logical clock, us since the epoch */
    uint64_t epoch;      /* the last metadata entry the sender has applied */
    uint64_t generation; /* whose entries these are; 0: those of the first one */
    struct uuid trace; /* the session that the sender acts for (node/coord/tracing.h); zero: none */
    union {
#define M(NAME, name, number) struct wire_##name name;
        WIRE_MESSAGES(M)
#undef M
    };
};

/* Append the bytes of `m`; a message over out->max sets out->failed. */
void wire_encode(const struct wire_message *m, struct buf *out);

/* How many bytes that is. */
size_t wire_size(const struct wire_message *m);

enum err wire_decode(struct bytes in, struct wire_message *ret) MUST_CHECK;

/* "WRITE_ACK", or "?" for a number that is none. */
const char *wire_name(enum wire_type type);

#endif
