#include "gossip/message.h"

#include <msgpack/pack.h>
#include <string.h>

#define HEADER_FIELDS 4
#define MEMBER_FIELDS 14
#define ENDPOINT_SIZE 18

static int append(void *data, const char *bytes, size_t len)
{
    buf_put(data, bytes, len);
    return 0;
}

static void put_bin(msgpack_packer *p, struct bytes b)
{
    msgpack_pack_bin(p, b.len);
    if (b.len > 0)
        msgpack_pack_bin_body(p, b.data, b.len);
}

static void put_uuid(msgpack_packer *p, const struct uuid *u)
{
    put_bin(p, bytes_make(u->b, sizeof u->b));
}

static void put_endpoint(msgpack_packer *p, const struct endpoint *e)
{
    uint8_t b[ENDPOINT_SIZE];
    memcpy(b, e->ip, sizeof e->ip);
    store_u16(b + sizeof e->ip, e->port);
    put_bin(p, bytes_make(b, sizeof b));
}

static void put_bool(msgpack_packer *p, bool v)
{
    if (v)
        msgpack_pack_true(p);
    else
        msgpack_pack_false(p);
}

static void put_member(msgpack_packer *p, const struct gossip_member *m)
{
    put_uuid(p, &m->host_id);
    put_endpoint(p, &m->addr);
    put_endpoint(p, &m->cql);
    msgpack_pack_uint16(p, m->http_port);
    put_bin(p, m->dc);
    put_bin(p, m->rack);
    put_bin(p, m->release);
    msgpack_pack_uint32(p, m->generation);
    msgpack_pack_uint64(p, m->incarnation);
    msgpack_pack_uint64(p, m->app.epoch);
    msgpack_pack_uint32(p, m->app.node_no);
    msgpack_pack_uint8(p, (uint8_t)m->app.phase);
    msgpack_pack_uint64(p, m->app.load);
    put_bin(p, m->app.blob);
}

/* How many items the array of a message has, its type included; 0 for an unknown type. */
static size_t item_count(uint64_t type)
{
    switch (type) {
    case GOSSIP_PING: return 3;
    case GOSSIP_PING_REQ: return 4;
    case GOSSIP_ACK: return 3;
    case GOSSIP_NACK: return 2;
    case GOSSIP_TELL_ALIVE: return 1 + MEMBER_FIELDS;
    case GOSSIP_TELL_SUSPECT:
    case GOSSIP_TELL_DEAD: return 4;
    case GOSSIP_PUSH_PULL: return 2;
    case GOSSIP_STATE: return 3 + MEMBER_FIELDS;
    default: return 0;
    }
}

void gossip_encode_header(const struct gossip_header *h, struct buf *out)
{
    msgpack_packer p;
    msgpack_packer_init(&p, out, append);
    msgpack_pack_array(&p, HEADER_FIELDS);
    msgpack_pack_uint8(&p, GOSSIP_FORMAT);
    put_bin(&p, h->cluster);
    put_uuid(&p, &h->host_id);
    put_endpoint(&p, &h->addr);
}

void gossip_encode(const struct gossip_message *m, struct buf *out)
{
    msgpack_packer p;
    msgpack_packer_init(&p, out, append);
    msgpack_pack_array(&p, item_count((uint64_t)m->type));
    msgpack_pack_uint8(&p, (uint8_t)m->type);
    switch (m->type) {
    case GOSSIP_PING:
    case GOSSIP_PING_REQ:
        msgpack_pack_uint32(&p, m->seq);
        put_uuid(&p, &m->host_id);
        if (m->type == GOSSIP_PING_REQ)
            put_endpoint(&p, &m->addr);
        break;
    case GOSSIP_ACK:
        msgpack_pack_uint32(&p, m->seq);
        put_bool(&p, m->flag);
        break;
    case GOSSIP_NACK: msgpack_pack_uint32(&p, m->seq); break;
    case GOSSIP_TELL_ALIVE: put_member(&p, &m->member); break;
    case GOSSIP_TELL_SUSPECT:
    case GOSSIP_TELL_DEAD:
        put_uuid(&p, &m->host_id);
        msgpack_pack_uint64(&p, m->incarnation);
        put_uuid(&p, &m->accuser);
        break;
    case GOSSIP_PUSH_PULL: put_bool(&p, m->flag); break;
    case GOSSIP_STATE:
        msgpack_pack_uint8(&p, (uint8_t)m->member.state);
        msgpack_pack_uint32(&p, m->age_s);
        put_member(&p, &m->member);
        break;
    }
}

/* Unsigned integer of any width, at most max; fails otherwise. */
static uint64_t get_uint(struct reader *r, uint64_t max)
{
    uint8_t tag = read_u8(r);
    uint64_t v = tag;
    if (tag == 0xcc)
        v = read_u8(r);
    else if (tag == 0xcd)
        v = read_u16(r);
    else if (tag == 0xce)
        v = read_u32(r);
    else if (tag == 0xcf)
        v = read_u64(r);
    else if (tag > 0x7f)
        r->failed = true;
    if (v > max)
        r->failed = true;
    return r->failed ? 0 : v;
}

static uint32_t get_u32(struct reader *r)
{
    return (uint32_t)get_uint(r, UINT32_MAX);
}

static bool get_bool(struct reader *r)
{
    uint8_t tag = read_u8(r);
    if (tag != 0xc2 && tag != 0xc3)
        r->failed = true;
    return tag == 0xc3;
}

static size_t get_array(struct reader *r)
{
    uint8_t tag = read_u8(r);
    if (tag >= 0x90 && tag <= 0x9f)
        return tag & 15u;
    if (tag == 0xdc)
        return read_u16(r);
    r->failed = true;
    return 0;
}

static struct bytes get_bin(struct reader *r, size_t max)
{
    uint8_t tag = read_u8(r);
    size_t len = 0;
    if (tag == 0xc4)
        len = read_u8(r);
    else if (tag == 0xc5)
        len = read_u16(r);
    else
        r->failed = true;
    if (len > max)
        r->failed = true;
    return r->failed ? BYTES_NONE : read_bytes(r, len);
}

static struct uuid get_uuid(struct reader *r)
{
    struct uuid u = {{0}};
    struct bytes b = get_bin(r, sizeof u.b);
    if (b.len == sizeof u.b)
        memcpy(u.b, b.data, sizeof u.b);
    else
        r->failed = true;
    return u;
}

static struct endpoint get_endpoint(struct reader *r)
{
    struct endpoint e = {{0}, 0};
    struct bytes b = get_bin(r, ENDPOINT_SIZE);
    if (b.len != ENDPOINT_SIZE) {
        r->failed = true;
        return e;
    }
    memcpy(e.ip, b.data, sizeof e.ip);
    e.port = load_u16(b.data + sizeof e.ip);
    return e;
}

static struct bytes get_text(struct reader *r)
{
    struct bytes b = get_bin(r, GOSSIP_TEXT_SIZE - 1);
    if (b.len > 0 && memchr(b.data, 0, b.len) != NULL)
        r->failed = true;
    return b;
}

static void get_member(struct reader *r, struct gossip_member *m)
{
    m->host_id = get_uuid(r);
    m->addr = get_endpoint(r);
    m->cql = get_endpoint(r);
    m->http_port = (uint16_t)get_uint(r, UINT16_MAX);
    m->dc = get_text(r);
    m->rack = get_text(r);
    m->release = get_text(r);
    m->generation = get_u32(r);
    m->incarnation = get_uint(r, UINT64_MAX);
    m->app.epoch = get_uint(r, UINT64_MAX);
    m->app.node_no = get_u32(r);
    m->app.phase = (enum gossip_phase)get_uint(r, GOSSIP_LEAVING);
    m->app.load = get_uint(r, UINT64_MAX);
    m->app.blob = get_bin(r, GOSSIP_APP_MAX);
    if (uuid_is_zero(&m->host_id) || endpoint_is_none(&m->addr))
        r->failed = true;
}

enum err gossip_decode_header(struct reader *r, struct gossip_header *ret_header)
{
    if (get_array(r) != HEADER_FIELDS || get_uint(r, UINT8_MAX) != GOSSIP_FORMAT)
        return ERR_MALFORMED;
    struct gossip_header h;
    h.cluster = get_bin(r, GOSSIP_CLUSTER_MAX);
    h.host_id = get_uuid(r);
    h.addr = get_endpoint(r);
    if (r->failed || uuid_is_zero(&h.host_id))
        return ERR_MALFORMED;
    *ret_header = h;
    return ERR_OK;
}

static void decode_fields(struct reader *r, struct gossip_message *m)
{
    switch (m->type) {
    case GOSSIP_PING:
    case GOSSIP_PING_REQ:
        m->seq = get_u32(r);
        m->host_id = get_uuid(r);
        if (m->type == GOSSIP_PING_REQ)
            m->addr = get_endpoint(r);
        break;
    case GOSSIP_ACK:
        m->seq = get_u32(r);
        m->flag = get_bool(r);
        break;
    case GOSSIP_NACK: m->seq = get_u32(r); break;
    case GOSSIP_TELL_ALIVE: get_member(r, &m->member); break;
    case GOSSIP_TELL_SUSPECT:
    case GOSSIP_TELL_DEAD:
        m->host_id = get_uuid(r);
        m->incarnation = get_uint(r, UINT64_MAX);
        m->accuser = get_uuid(r);
        break;
    case GOSSIP_PUSH_PULL: m->flag = get_bool(r); break;
    case GOSSIP_STATE:
        m->member.state = (enum gossip_state)get_uint(r, GOSSIP_LEFT);
        m->age_s = get_u32(r);
        get_member(r, &m->member);
        break;
    }
}

enum err gossip_decode(struct reader *r, struct gossip_message *ret_message)
{
    if (r->failed)
        return ERR_MALFORMED;
    if (reader_left(r) == 0)
        return ERR_NOT_FOUND;
    size_t items = get_array(r);
    uint64_t type = get_uint(r, UINT8_MAX);
    if (r->failed || item_count(type) == 0 || items != item_count(type))
        return ERR_MALFORMED;
    memset(ret_message, 0, sizeof *ret_message);
    ret_message->type = (enum gossip_message_type)type;
    decode_fields(r, ret_message);
    return r->failed ? ERR_MALFORMED : ERR_OK;
}
