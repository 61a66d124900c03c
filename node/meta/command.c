#include "node/meta/command.h"

#include <string.h>

#define VERSION 2

const char *command_name(enum command_kind kind)
{
    switch (kind) {
#define X(name, number)                                                                            \
    case COMMAND_##name: return #name;
        COMMAND_KINDS(X)
#undef X
    }
    return "?";
}

void command_encode(const struct command *c, struct buf *out)
{
    buf_put_u8(out, VERSION);
    buf_put_u8(out, (uint8_t)c->kind);
    switch (c->kind) {
    case COMMAND_FOUND:
        buf_put_uuid(out, &c->cluster);
        buf_put_vbytes(out, c->name);
        node_info_encode(&c->info, out);
        buf_put_vbytes(out, c->plan);
        break;
    case COMMAND_JOIN_START:
        node_info_encode(&c->info, out);
        endpoint_encode(&c->replaces, out);
        buf_put_varint(out, c->asked_at);
        buf_put_vbytes(out, c->plan);
        break;
    case COMMAND_STEP:
    case COMMAND_AWAY:
    case COMMAND_HERE:
        buf_put_varint(out, c->node);
        buf_put_varint(out, c->epoch);
        break;
    case COMMAND_NODE_UPDATE:
        buf_put_varint(out, c->node);
        node_info_encode(&c->info, out);
        break;
    case COMMAND_LEAVE_START:
        buf_put_varint(out, c->node);
        buf_put_vbytes(out, c->plan);
        break;
    case COMMAND_RECOVER:
        buf_put_varint(out, c->epoch);
        buf_put_vbytes(out, c->lost);
        break;
    case COMMAND_DDL: buf_put_vbytes(out, c->ddl); break;
    }
}

static node_no read_node(struct reader *in)
{
    uint64_t v = read_varint(in);
    in->failed |= v > UINT32_MAX;
    return (node_no)v;
}

static enum err decode_body(struct reader *in, struct command *c)
{
    switch (c->kind) {
    case COMMAND_FOUND:
        c->cluster = read_uuid(in);
        c->name = read_vbytes(in);
        node_info_decode(in, &c->info);
        c->plan = read_vbytes(in);
        break;
    case COMMAND_JOIN_START:
        node_info_decode(in, &c->info);
        c->replaces = endpoint_decode(in);
        c->asked_at = read_varint(in);
        c->plan = read_vbytes(in);
        break;
    case COMMAND_STEP:
    case COMMAND_AWAY:
    case COMMAND_HERE:
        c->node = read_node(in);
        c->epoch = read_varint(in);
        break;
    case COMMAND_NODE_UPDATE:
        c->node = read_node(in);
        node_info_decode(in, &c->info);
        break;
    case COMMAND_LEAVE_START:
        c->node = read_node(in);
        c->plan = read_vbytes(in);
        break;
    case COMMAND_RECOVER:
        c->epoch = read_varint(in);
        c->lost = read_vbytes(in);
        break;
    case COMMAND_DDL: c->ddl = read_vbytes(in); break;
    default: return ERR_UNSUPPORTED;
    }
    return reader_finish(in);
}

static enum err decode(struct reader *in, struct command *ret)
{
    struct command c;
    memset(&c, 0, sizeof c);
    uint8_t version = read_u8(in);
    c.kind = (enum command_kind)read_u8(in);
    if (in->failed)
        return ERR_MALFORMED;
    if (version != VERSION)
        return ERR_UNSUPPORTED;
    enum err err = decode_body(in, &c);
    if (err == ERR_OK)
        *ret = c;
    return err;
}

enum err command_decode(struct bytes in, struct command *ret)
{
    struct reader r = reader_make(in);
    return decode(&r, ret);
}

void entry_encode(const struct uuid *id, const struct command *c, struct buf *out)
{
    buf_put_uuid(out, id);
    command_encode(c, out);
}

enum err entry_decode(struct bytes in, struct uuid *ret_id, struct command *ret)
{
    struct reader r = reader_make(in);
    struct uuid id = read_uuid(&r);
    enum err err = decode(&r, ret);
    if (err == ERR_OK)
        *ret_id = id;
    return err;
}

void command_ddl(struct bytes ddl, struct buf *out)
{
    struct command c = {.kind = COMMAND_DDL, .ddl = ddl};
    command_encode(&c, out);
}

void command_step(node_no node, uint64_t epoch, struct buf *out)
{
    struct command c = {.kind = COMMAND_STEP, .node = node, .epoch = epoch};
    command_encode(&c, out);
}

void command_leave_start(node_no node, struct buf *out)
{
    struct command c = {.kind = COMMAND_LEAVE_START, .node = node};
    command_encode(&c, out);
}

void command_away(node_no node, bool away, uint64_t away_epoch, struct buf *out)
{
    struct command c = {
        .kind = away ? COMMAND_AWAY : COMMAND_HERE, .node = node, .epoch = away_epoch};
    command_encode(&c, out);
}
