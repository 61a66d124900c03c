#include "node/coord/tracing.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WRITE_AFTER  (10 * USEC_PER_MS) /* several events in one write */
#define FORGET_AFTER (15 * USEC_PER_SEC)

/* 100 ns from the beginning of the Gregorian calendar to that of Unix. */
#define TICKS_BEFORE_1970 INT64_C(0x01b21dd213814000)

/* The node and its boot stand where a MAC address would. */
struct uuid timeid(int64_t *last, usec wall, struct actor self)
{
    struct uuid id;
    int64_t ticks = wall * 10 + TICKS_BEFORE_1970;
    if (ticks <= *last)
        ticks = *last + 1;
    *last = ticks;
    uint64_t t = (uint64_t)ticks;
    store_u32(id.b, (uint32_t)t);
    store_u16(id.b + 4, (uint16_t)(t >> 32));
    store_u16(id.b + 6, (uint16_t)((t >> 48 & 0xfff) | 0x1000));
    store_u16(id.b + 8, (uint16_t)(0x8000 | (self.boot >> 16 & 0x3fff)));
    store_u32(id.b + 10, self.node);
    store_u16(id.b + 14, (uint16_t)self.boot);
    return id;
}

void tracing_init(struct tracing *t)
{
    list_init(&t->sessions);
}

static void session_free(struct tracing *t, struct trace_session *s)
{
    if (t->on == s)
        t->on = NULL;
    list_remove(&s->link);
    arena_close(&s->arena);
    arena_close(&s->kept);
    mem_free(s);
    t->count--;
}

void tracing_close(struct tracing *t)
{
    while (t->sessions.next != NULL && !list_empty(&t->sessions))
        session_free(t, container_of(t->sessions.next, struct trace_session, link));
}

static bool is_idle(const struct trace_session *s)
{
    return s->due == USEC_NEVER && (!s->coordinates || s->request.ended);
}

static struct trace_session *session_new(struct tracing *t, struct now now, const struct uuid *id)
{
    if (t->count >= TRACING_SESSIONS_MAX) {
        struct trace_session *oldest = container_of(t->sessions.next, struct trace_session, link);
        if (!is_idle(oldest))
            return NULL;
        session_free(t, oldest);
    }
    struct trace_session *s = mem_new(struct trace_session);
    s->id = *id;
    s->began = s->used = now;
    s->due = USEC_NEVER;
    list_push_back(&t->sessions, &s->link);
    t->count++;
    return s;
}

struct trace_session *tracing_find(struct tracing *t, const struct uuid *id)
{
    list_each (at, &t->sessions) {
        struct trace_session *s = container_of(at, struct trace_session, link);
        if (uuid_equal(&s->id, id))
            return s;
    }
    return NULL;
}

struct trace_session *tracing_begin(struct tracing *t, struct now now)
{
    struct uuid id = timeid(&t->last_id, now.wall, t->self);
    struct trace_session *s = session_new(t, now, &id);
    if (s != NULL) {
        s->coordinates = true;
        s->request.started = now.wall;
    }
    return s;
}

struct uuid tracing_session(const struct tracing *t)
{
    return t->on != NULL ? t->on->id : (struct uuid){{0}};
}

static void enter(struct tracing *t, const struct uuid *id)
{
    t->on = NULL;
    if (uuid_is_zero(id))
        return;
    t->on = tracing_find(t, id);
    if (t->on == NULL)
        t->on = session_new(t, t->now, id);
    if (t->on == NULL)
        return;
    t->on->used = t->now;
    list_remove(&t->on->link);
    list_push_back(&t->sessions, &t->on->link);
}

struct uuid tracing_enter(struct tracing *t, struct now now, const struct uuid *id)
{
    struct uuid before = tracing_session(t);
    t->now = now;
    if (t->on != NULL || !uuid_is_zero(id))
        enter(t, id);
    return before;
}

void tracing_leave(struct tracing *t, const struct uuid *before)
{
    if (t->on != NULL || !uuid_is_zero(before))
        enter(t, before);
}

void tracing_put(struct tracing *t, const char *format, ...)
{
    struct trace_session *s = t->on;
    char text[TRACING_TEXT_MAX];
    va_list args;
    if (s->count >= TRACING_EVENTS_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->events = arena_grow(&s->arena, s->events, s->count, &s->cap, sizeof *s->events);
    s->events[s->count++] = (struct trace_event){
        .id = timeid(&t->last_id, t->now.wall, t->self),
        .elapsed = t->now.mono > s->began.mono ? t->now.mono - s->began.mono : 1,
        .text = arena_text(&s->arena, bytes_text(text))};
    if (s->due == USEC_NEVER)
        s->due = t->now.mono + WRITE_AFTER;
}

const char *tracing_table(struct tracing *t, table_no table)
{
    const char *name = t->name_table != NULL ? t->name_table(t->name_arg, table) : NULL;
    if (name != NULL)
        snprintf(t->table, sizeof t->table, "%s", name);
    else
        snprintf(t->table, sizeof t->table, "table %u", (unsigned)table);
    return t->table;
}

usec tracing_next(const struct tracing *t)
{
    usec next = USEC_NEVER;
    list_each (at, &t->sessions) {
        const struct trace_session *s = container_of(at, struct trace_session, link);
        usec due = s->due != USEC_NEVER ? s->due : s->used.mono + FORGET_AFTER;
        next = due < next ? due : next;
    }
    return next;
}

struct trace_session *tracing_due(struct tracing *t, struct now now)
{
    list_each_safe (at, after, &t->sessions) {
        struct trace_session *s = container_of(at, struct trace_session, link);
        if (s->due <= now.mono)
            return s;
        if (s->due == USEC_NEVER && now.mono - s->used.mono >= FORGET_AFTER)
            session_free(t, s);
    }
    return NULL;
}

void tracing_written(struct tracing *t, struct trace_session *s)
{
    (void)t;
    s->due = USEC_NEVER;
    s->count = s->cap = 0;
    s->events = NULL;
    arena_reset(&s->arena);
}
