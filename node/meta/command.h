/* command.h - the entries of the metadata log: kinds, and their bytes.
 *
 * entry   := uuid id, command
 * command := u8 version = 2, u8 kind, body
 *
 *   FOUND       uuid cluster, vbytes name, node_info, vbytes ring
 *   JOIN_START  node_info, endpoint replaces, vbytes plan
 *   STEP        varint node, varint epoch
 *   NODE_UPDATE varint node, node_info
 *   LEAVE_START varint node, vbytes plan
 *   AWAY        varint node, varint epoch
 *   HERE        varint node, varint epoch
 *   RECOVER     varint epoch, vbytes lost (u32 of each node, ascending)
 *   DDL         vbytes ddl                                         (node/schema/ddl.h)
 *   plan      := empty, or ring difference                         (ring.h)
 *   node_info := uuid host, endpoint, endpoint cql, varint weight, varint boot, vbytes dc, vbytes
 * rack endpoint  := 16 bytes, u16 port
 *
 * Do not renumber (3 was another one once); a new field needs a new version. Who wants a change
 * sends it without a plan; the metadata member that proposes it for a slot works out the plan from
 * the state before that slot. So all nodes apply the same table, whatever version of the planner
 * they run, and a plan that lost its slot is made anew for the next one.
 */
#ifndef TORC_NODE_META_COMMAND_H
#define TORC_NODE_META_COMMAND_H

#include "node/meta/topology.h"

#define COMMAND_MAX ((size_t)2 << 20) /* bytes of a command as it is asked for */

#define COMMAND_KINDS(X)                                                                           \
    X(FOUND, 1)                                                                                    \
    X(JOIN_START, 2)                                                                               \
    X(NODE_UPDATE, 4)                                                                              \
    X(LEAVE_START, 5)                                                                              \
    X(STEP, 6)                                                                                     \
    X(AWAY, 7)                                                                                     \
    X(HERE, 8)                                                                                     \
    X(RECOVER, 9)                                                                                  \
    X(DDL, 16)

enum command_kind {
#define X(name, number) COMMAND_##name = number,
    COMMAND_KINDS(X)
#undef X
};

struct command {
    enum command_kind kind;
    struct uuid cluster;
    struct bytes name;        /* FOUND: the cluster's */
    struct node_info info;    /* FOUND, JOIN_START, NODE_UPDATE */
    node_no node;             /* STEP, NODE_UPDATE, LEAVE_START, AWAY, HERE */
    struct endpoint replaces; /* JOIN_START: none, or the node there loses its ranges to us */
    uint64_t asked_at; /* JOIN_START: the epoch of the member that was asked; it fills it in */
    uint64_t epoch;    /* STEP: the ring_epoch that the node has proved for; AWAY, HERE: the
                          away_epoch that it was asked for at; RECOVER: which generation begins */
    struct bytes plan; /* FOUND: the whole ring; JOIN_START, LEAVE_START: the difference */
    struct bytes lost; /* RECOVER */
    struct bytes ddl;  /* DDL */
};

const char *command_name(enum command_kind kind);
void command_encode(const struct command *c, struct buf *out);

/* Views into `in`. MALFORMED; UNSUPPORTED for a version or kind from the future. */
enum err command_decode(struct bytes in, struct command *ret) MUST_CHECK;

void entry_encode(const struct uuid *id, const struct command *c, struct buf *out);
enum err entry_decode(struct bytes in, struct uuid *ret_id, struct command *ret) MUST_CHECK;

/* The usual ones, ready to be proposed. */
void command_ddl(struct bytes ddl, struct buf *out);
void command_step(node_no node, uint64_t epoch, struct buf *out);
void command_leave_start(node_no node, struct buf *out);
void command_away(node_no node, bool away, uint64_t away_epoch, struct buf *out); /* or HERE */

#endif
