/* Questions and answers, as those of node/heal in their smallest form. */
#include "versions_world.h"

#include "engine_fixture.h"

void world_ask(struct world *w, size_t by, size_t whom)
{
    struct replica *r = &w->replicas[by];
    struct message m = {.kind = MESSAGE_ASK, .from = by, .to = whom, .question = ++w->questions};
    if (by == whom)
        return;
    r->asked[whom] = m.question;
    r->purges_asked[whom] = r->purges;
    m.context = world_keep_clock(w, engine_clock(r->engine, KEYSPACE, RANGE));
    world_send(w, &m);
}

void world_receive_ask(struct world *w, const struct message *m)
{
    struct replica *r = &w->replicas[m->to];
    struct message answer = {.kind = MESSAGE_PULL,
                             .from = m->to,
                             .to = m->from,
                             .boot = r->self.boot,
                             .question = m->question};
    struct clock have, durable, wanted, done;
    struct buf b;
    clock_init(&have);
    clock_init(&durable);
    clock_init(&wanted);
    clock_init(&done);
    buf_init(&b, SIZE_MAX);
    world_expect(w, clock_decode(m->context, &have) == ERR_OK, "a clock cannot be read");
    if (engine_durable_clock(r->engine, KEYSPACE, RANGE, &durable)) {
        clock_missing(&durable, &have, &wanted);
        size_t bytes_max = rng_chance(&w->rng, 500000) ? 100000 : 200;
        world_expect(w,
                     engine_log_read(r->engine, KEYSPACE, RANGE, &wanted, &have, bytes_max, &b,
                                     &done) == ERR_OK,
                     "a log cannot be read");
        answer.part = arena_copy(&w->arena, buf_bytes(&b));
        answer.context = world_keep_clock(w, &durable);
        world_send(w, &answer);
    }
    buf_close(&b);
    clock_close(&done);
    clock_close(&wanted);
    clock_close(&durable);
    clock_close(&have);
}

/* What was told is seen once all of it is durable here. */
void world_conclude(struct world *w, struct replica *r)
{
    struct clock durable;
    clock_init(&durable);
    if (engine_durable_clock(r->engine, KEYSPACE, RANGE, &durable)) {
        for (size_t i = 0; i < w->rules.replicas; i++) {
            if (clock_covers(&durable, &r->told[i].heard))
                clock_merge(&r->told[i].seen, &r->told[i].heard);
        }
    }
    clock_close(&durable);
}

/* Only the answer to the question that was put last, once, and only if nothing went meanwhile. */
void world_receive_pull(struct world *w, const struct message *m)
{
    struct replica *r = &w->replicas[m->to];
    struct told *told = &r->told[m->from];
    if (m->epoch != w->epoch || r->asked[m->from] != m->question ||
        r->purges_asked[m->from] != r->purges) {
        w->refused++;
        return;
    }
    struct clock context;
    clock_init(&context);
    world_expect(w, clock_decode(m->context, &context) == ERR_OK, "a clock cannot be read");
    if (rng_chance(&w->rng, 900000))
        r->asked[m->from] = 0;
    if (m->part.len > 0) {
        enum err err =
            engine_log_apply(r->engine, KEYSPACE, RANGE, m->part, &context, !r->coming, r->old, 0);
        world_expect(w, err == ERR_OK || err == ERR_BEHIND, "a pull is not applied");
    }
    clock_copy(&told->heard, &context);
    if (clock_covers(engine_clock(r->engine, KEYSPACE, RANGE), &context)) {
        told->boot = m->boot > told->boot ? m->boot : told->boot;
        told->pulled = true;
        engine_note_life(r->engine, KEYSPACE, RANGE,
                         (struct actor){w->replicas[m->from].self.node, told->boot});
    }
    clock_close(&context);
    bool pulled = true;
    for (size_t i = 0; i < w->rules.replicas; i++)
        pulled = pulled && (i == m->to || r->told[i].pulled);
    r->coming = r->coming && !pulled;
    r->old = r->old && !pulled;
    world_conclude(w, r);
}
