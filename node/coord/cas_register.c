#include "node/coord/cas_register.h"

#include "base/mutant.h"

#define REGISTER_FORMAT 1

int ballot_order(struct dot a, struct dot b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return actor_compare(a.actor, b.actor);
}

bool ballot_none(struct dot b)
{
    return b.n == 0;
}

static bool above(struct dot a, struct dot b)
{
    return ballot_order(a, b) > 0;
}

static void raise(struct dot *d, struct dot to)
{
    if (above(to, *d))
        *d = to;
}

struct dot cas_register_highest(const struct cas_register *r)
{
    struct dot highest = r->promised;
    raise(&highest, r->read_promised);
    return highest;
}

bool cas_register_prepare(struct cas_register *r, struct dot ballot, bool read)
{
    /* Reads do not change anything, so one need not wait for another. */
    if (!above(ballot, read ? r->promised : cas_register_highest(r)))
        return false;
    if (read)
        raise(&r->read_promised, ballot);
    else
        r->promised = ballot;
    return true;
}

bool cas_register_accept(struct cas_register *r, struct dot ballot, struct dot origin,
                         struct bytes value)
{
    bool low = above(cas_register_highest(r), ballot) && !MUTANT(cas_accepts_below_promise);
    if (low || ballot_none(ballot))
        return false;
    r->promised = r->accepted = ballot;
    r->origin = origin;
    r->value = value;
    return true;
}

bool cas_register_done(struct cas_register *r, struct dot ballot, struct dot origin)
{
    if (!above(ballot, r->done))
        return false;
    r->done = ballot;
    r->done_origin = origin;
    raise(&r->promised, ballot);
    if (!cas_register_in_flight(r))
        r->value = BYTES_NONE;
    return true;
}

/* What is done already may have been accepted once more, by who had not heard of it. */
static bool in_flight(struct dot accepted, struct dot origin, struct dot done,
                      struct dot done_origin)
{
    bool same = !ballot_none(origin) && ballot_order(origin, done_origin) == 0;
    return above(accepted, done) && !same;
}

bool cas_register_in_flight(const struct cas_register *r)
{
    return in_flight(r->accepted, r->origin, r->done, r->done_origin);
}

void cas_register_merge(struct cas_register *r, const struct cas_register *other)
{
    raise(&r->promised, other->promised);
    raise(&r->read_promised, other->read_promised);
    if (above(other->accepted, r->accepted)) {
        r->accepted = other->accepted;
        r->origin = other->origin;
        r->value = other->value;
    }
    (void)cas_register_done(r, other->done, other->done_origin);
    if (!cas_register_in_flight(r))
        r->value = BYTES_NONE;
}

void cas_register_encode(const struct cas_register *r, struct buf *out)
{
    buf_put_u8(out, REGISTER_FORMAT);
    buf_put_u32(out, r->keyspace);
    buf_put_dot(out, r->promised);
    buf_put_dot(out, r->read_promised);
    buf_put_dot(out, r->accepted);
    buf_put_dot(out, r->origin);
    buf_put_dot(out, r->done);
    buf_put_dot(out, r->done_origin);
    buf_put_vbytes(out, r->value);
}

enum err cas_register_decode(struct bytes in, struct cas_register *ret)
{
    struct reader reader = reader_make(in);
    struct cas_register r;
    uint8_t format = read_u8(&reader);
    r.keyspace = read_u32(&reader);
    r.promised = read_dot(&reader);
    r.read_promised = read_dot(&reader);
    r.accepted = read_dot(&reader);
    r.origin = read_dot(&reader);
    r.done = read_dot(&reader);
    r.done_origin = read_dot(&reader);
    r.value = read_vbytes(&reader);
    enum err err = reader_finish(&reader);
    if (err != ERR_OK || format != REGISTER_FORMAT || above(r.accepted, r.promised) ||
        above(r.done, r.promised))
        return ERR_MALFORMED;
    *ret = r;
    return ERR_OK;
}

void cas_tally_add(struct cas_tally *t, const struct cas_register *r)
{
    if (above(r->done, t->done)) {
        t->done = r->done;
        t->done_origin = r->done_origin;
    }
    if (above(r->accepted, t->accepted)) {
        t->accepted = r->accepted;
        t->origin = r->origin;
        t->value = r->value;
    }
}

bool cas_tally_in_flight(const struct cas_tally *t)
{
    return in_flight(t->accepted, t->origin, t->done, t->done_origin) &&
           !MUTANT(cas_in_flight_ignored);
}
