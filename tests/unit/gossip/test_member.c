/* One core, fed by hand: who is believed about whom. */
#include "gossip/message.h"

#include <CUnit/CUnit.h>
#include <string.h>

#define WALL    ((usec)1700000000 * USEC_PER_SEC)
#define DAYS(n) ((usec)(n)*24 * 3600 * USEC_PER_SEC)

static struct fixture {
    struct gossip *g;
    usec mono;
    struct buf packet;
    struct gossip_effects effects;
} f;

static struct uuid id(uint8_t i)
{
    return (struct uuid){{1, 2, 3, i}};
}

static void open_core(void)
{
    struct gossip_config config = {.cluster = "mine", .members_max = 8};
    struct gossip_self self = {
        .host_id = id(1), .addr = endpoint_v4(10, 0, 0, 1, 7000), .generation = 1};
    f.mono = USEC_PER_SEC;
    f.g = gossip_new(&config, &self, 1, (struct now){f.mono, WALL}, NULL);
    buf_init(&f.packet, 1 << 16);
}

static void close_core(void)
{
    gossip_free(f.g);
    buf_close(&f.packet);
}

static void deliver(enum gossip_event_type type)
{
    struct gossip_event e = {.now = {f.mono, WALL + f.mono},
                             .type = type,
                             .from = endpoint_v4(10, 0, 0, 9, 7000),
                             .bytes = buf_bytes(&f.packet)};
    f.effects = gossip_step(f.g, &e);
}

static void begin(uint8_t from, const char *cluster)
{
    buf_clear(&f.packet);
    struct gossip_header h = {bytes_text(cluster), id(from), endpoint_v4(10, 0, 0, from, 7000)};
    gossip_encode_header(&h, &f.packet);
}

static struct gossip_member member(uint8_t i, uint8_t address, uint32_t generation,
                                   uint64_t incarnation)
{
    struct gossip_member m;
    memset(&m, 0, sizeof m);
    m.host_id = id(i);
    m.addr = endpoint_v4(10, 0, 0, address, 7000);
    m.generation = generation;
    m.incarnation = incarnation;
    return m;
}

static void hear_alive(uint8_t i, uint8_t address, uint32_t generation, uint64_t incarnation)
{
    begin(9, "mine");
    struct gossip_message m = {.type = GOSSIP_TELL_ALIVE,
                               .member = member(i, address, generation, incarnation)};
    gossip_encode(&m, &f.packet);
    deliver(GOSSIP_DATAGRAM);
}

static void hear(enum gossip_message_type type, uint8_t i, uint64_t incarnation, uint8_t accuser)
{
    begin(9, "mine");
    struct gossip_message m = {
        .type = type, .host_id = id(i), .incarnation = incarnation, .accuser = id(accuser)};
    gossip_encode(&m, &f.packet);
    deliver(GOSSIP_DATAGRAM);
}

static void expect(uint8_t i, enum gossip_state state, uint64_t incarnation)
{
    struct uuid host_id = id(i);
    const struct gossip_member *m = gossip_find(f.g, &host_id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->state, state);
    CU_ASSERT_EQUAL(m->incarnation, incarnation);
}

static void what_overrides_what(void)
{
    open_core();
    hear_alive(2, 2, 1, 10);
    expect(2, GOSSIP_ALIVE, 10);
    hear(GOSSIP_TELL_SUSPECT, 2, 9, 3); /* older than what we hold */
    expect(2, GOSSIP_ALIVE, 10);
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 3);
    expect(2, GOSSIP_SUSPECT, 10);
    hear_alive(2, 2, 1, 10); /* no refutation: the same incarnation */
    expect(2, GOSSIP_SUSPECT, 10);
    hear_alive(2, 2, 1, 11);
    expect(2, GOSSIP_ALIVE, 11);
    hear(GOSSIP_TELL_DEAD, 2, 11, 3);
    expect(2, GOSSIP_DEAD, 11);
    hear(GOSSIP_TELL_SUSPECT, 2, 12, 3);
    expect(2, GOSSIP_DEAD, 11);
    hear(GOSSIP_TELL_DEAD, 2, 11, 2); /* it said goodbye itself */
    expect(2, GOSSIP_LEFT, 11);
    hear_alive(2, 2, 2, 12);
    expect(2, GOSSIP_ALIVE, 12);
    close_core();
}

/* Three accusers in all bring the verdict forward; one accuser thrice does not. */
static void confirmations_count_once_each(void)
{
    open_core();
    for (uint8_t i = 2; i < 7; i++)
        hear_alive(i, i, 1, 10);
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 3);
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 3);
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 4);
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 4);
    usec until = f.mono + 10 * USEC_PER_SEC;
    while (gossip_deadline(f.g) < until) {
        f.mono = gossip_deadline(f.g);
        deliver(GOSSIP_DEADLINE);
    }
    expect(2, GOSSIP_SUSPECT, 10); /* two accusers: 11.4 s */
    close_core();
}

static void we_refute_what_is_said_about_us(void)
{
    open_core();
    uint64_t first = gossip_self_member(f.g)->incarnation;
    hear(GOSSIP_TELL_SUSPECT, 1, first, 3);
    expect(1, GOSSIP_ALIVE, first + 1);
    hear(GOSSIP_TELL_DEAD, 1, first + 100, 3);
    expect(1, GOSSIP_ALIVE, first + 101);
    hear_alive(1, 1, 7, first + 500); /* a former life, or a forgery */
    expect(1, GOSSIP_ALIVE, first + 501);
    CU_ASSERT_EQUAL(gossip_health_score(f.g), 3);
    CU_ASSERT_EQUAL(gossip_get_counters(f.g)->refutations, 3);
    hear(GOSSIP_TELL_SUSPECT, 1, first, 3); /* refuted long ago: he hears so */
    expect(1, GOSSIP_ALIVE, first + 501);
    CU_ASSERT_EQUAL(f.effects.count, 1);
    CU_ASSERT_EQUAL(f.effects.items[0].type, GOSSIP_SEND_DATAGRAM);
    close_core();
}

/* memberlist#358: a forged incarnation must not shut its owner out. */
static void implausible_incarnations_are_refused(void)
{
    open_core();
    uint64_t mine = gossip_self_member(f.g)->incarnation;
    hear_alive(2, 2, 1, 10);
    static const uint64_t forged[] = {UINT64_MAX, UINT64_MAX - 1, (uint64_t)1 << 62};
    for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
        hear(GOSSIP_TELL_SUSPECT, 2, forged[i], 3);
        hear(GOSSIP_TELL_DEAD, 2, forged[i], 2);
        hear_alive(2, 5, 9, forged[i]);
        hear(GOSSIP_TELL_DEAD, 1, forged[i], 3);
    }
    expect(2, GOSSIP_ALIVE, 10);
    expect(1, GOSSIP_ALIVE, mine);
    CU_ASSERT_EQUAL(gossip_get_counters(f.g)->implausible, 12);
    close_core();
}

/* One who started with a clock that is days or years before ours is a member; and whatever is
 * believed of somebody can be refuted a moment later. */
static void clocks_that_are_far_off_are_believed(void)
{
    static const usec off[] = {2, 400, 60 * 365, 99 * 365}; /* days */
    open_core();
    for (size_t i = 0; i < ARRAY_LEN(off); i++) {
        uint64_t high = (uint64_t)(WALL + DAYS(off[i]));
        hear_alive(2, 2, 1, high);
        expect(2, GOSSIP_ALIVE, high);
        hear(GOSSIP_TELL_SUSPECT, 1, high, 3); /* what we were in a life with another clock */
        expect(1, GOSSIP_ALIVE, high + 1);
    }
    uint64_t highest = (uint64_t)(WALL + f.mono + DAYS(36500));
    hear(GOSSIP_TELL_DEAD, 2, highest, 3);
    expect(2, GOSSIP_DEAD, highest);
    hear_alive(2, 2, 1, highest + 1);
    expect(2, GOSSIP_DEAD, highest);
    f.mono++;
    hear_alive(2, 2, 1, highest + 1);
    expect(2, GOSSIP_ALIVE, highest + 1);
    close_core();
}

static void claims_to_an_address(void)
{
    open_core();
    hear_alive(2, 2, 5, 10);
    hear_alive(3, 2, 1, 10); /* another host at a living one's address */
    CU_ASSERT_EQUAL(gossip_count(f.g), 2);
    hear_alive(2, 4, 5, 11); /* moved without a new life: a clone */
    hear_alive(2, 2, 4, 11); /* an older life */
    hear_alive(3, 1, 1, 10); /* our own address */
    CU_ASSERT_EQUAL(gossip_get_counters(f.g)->conflicts, 4);
    expect(2, GOSSIP_ALIVE, 10);
    hear_alive(2, 4, 6, 12); /* moved with a new life */
    expect(2, GOSSIP_ALIVE, 12);
    hear_alive(3, 2, 1, 10); /* the address is free now */
    expect(3, GOSSIP_ALIVE, 10);
    close_core();
}

static void foreign_and_malformed_packets_change_nothing(void)
{
    open_core();
    begin(9, "theirs");
    struct gossip_message m = {.type = GOSSIP_TELL_ALIVE, .member = member(2, 2, 1, 10)};
    gossip_encode(&m, &f.packet);
    deliver(GOSSIP_DATAGRAM);
    CU_ASSERT_EQUAL(gossip_get_counters(f.g)->foreign, 1);
    begin(9, "mine");
    gossip_encode(&m, &f.packet);
    buf_put_u8(&f.packet, 0xc1); /* the end is bad: nothing of it is believed */
    deliver(GOSSIP_DATAGRAM);
    begin(9, "mine");
    m.type = GOSSIP_STATE; /* states do not come in datagrams */
    gossip_encode(&m, &f.packet);
    deliver(GOSSIP_DATAGRAM);
    CU_ASSERT_EQUAL(gossip_get_counters(f.g)->malformed, 2);
    CU_ASSERT_EQUAL(gossip_count(f.g), 1);
    close_core();
}

static void members_are_bounded(void)
{
    open_core();
    for (uint8_t i = 2; i < 30; i++)
        hear_alive(i, i, 1, 10);
    CU_ASSERT_EQUAL(gossip_count(f.g), 8);
    CU_ASSERT_EQUAL(gossip_get_counters(f.g)->overfull, 21);
    close_core();
}

/* Push/pull: their dead are only suspect here, unless we never knew them. */
static void push_pull_merges_the_dead_as_suspect(void)
{
    open_core();
    hear_alive(2, 2, 1, 10);
    begin(9, "mine");
    struct gossip_message m = {.type = GOSSIP_PUSH_PULL};
    gossip_encode(&m, &f.packet);
    m = (struct gossip_message){.type = GOSSIP_STATE, .member = member(2, 2, 1, 10)};
    m.member.state = GOSSIP_DEAD;
    gossip_encode(&m, &f.packet);
    m.member = member(3, 3, 1, 10);
    m.member.state = GOSSIP_DEAD;
    gossip_encode(&m, &f.packet);
    m.member = member(4, 4, 1, 10);
    m.member.state = GOSSIP_DEAD;
    m.age_s = 100 * 3600; /* they are about to forget it */
    gossip_encode(&m, &f.packet);
    deliver(GOSSIP_STREAM);
    expect(2, GOSSIP_SUSPECT, 10);
    expect(3, GOSSIP_DEAD, 10);
    CU_ASSERT_EQUAL(gossip_count(f.g), 3);
    size_t replies = 0;
    for (size_t i = 0; i < f.effects.count; i++)
        replies += f.effects.items[i].type == GOSSIP_SEND_STREAM ? 1 : 0;
    CU_ASSERT_EQUAL(replies, 1);
    close_core();
}

/* S5: with everybody silent an update leaves as often as the limit says, then the core is quiet. */
static void an_update_leaves_at_most_the_limit(void)
{
    open_core();
    for (uint8_t i = 2; i < 6; i++)
        hear_alive(i, i, 1, 10);
    size_t carried = 0;
    struct uuid host_id = id(3);
    for (unsigned step = 0; step < 40; step++) {
        f.mono = gossip_deadline(f.g);
        deliver(GOSSIP_DEADLINE);
        for (size_t i = 0; i < f.effects.count; i++) {
            const struct gossip_effect *e = &f.effects.items[i];
            if (e->type != GOSSIP_SEND_DATAGRAM)
                continue;
            struct reader r = reader_make(e->bytes);
            struct gossip_header h;
            struct gossip_message m;
            CU_ASSERT_EQUAL(gossip_decode_header(&r, &h), ERR_OK);
            while (gossip_decode(&r, &m) == ERR_OK)
                carried +=
                    m.type == GOSSIP_TELL_ALIVE && uuid_equal(&m.member.host_id, &host_id) ? 1 : 0;
        }
    }
    CU_ASSERT_EQUAL(carried, 4);
    close_core();
}

/* The answer to a join, with member 2 as somebody has known it for so long. */
static void hear_first_answer(uint32_t age_s)
{
    begin(9, "mine");
    struct gossip_message m = {.type = GOSSIP_PUSH_PULL, .flag = true};
    gossip_encode(&m, &f.packet);
    m.type = GOSSIP_STATE;
    m.age_s = age_s;
    m.member = member(2, 2, 1, 10);
    gossip_encode(&m, &f.packet);
    deliver(GOSSIP_STREAM);
    expect(2, GOSSIP_ALIVE, 10);
}

/* A newcomer to a thousand would else tell each of them about all the others. */
static void what_a_newcomer_is_told_is_no_news_to_others(void)
{
    static const uint32_t ages[] = {3600, 3600, 5};
    for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
        open_core();
        if (i == 1) { /* only the first answer is of a cluster that knew all this before us */
            begin(9, "mine");
            struct gossip_message m = {.type = GOSSIP_PUSH_PULL, .flag = true};
            gossip_encode(&m, &f.packet);
            deliver(GOSSIP_STREAM);
        }
        hear_first_answer(ages[i]);
        deliver(GOSSIP_DEADLINE);
        CU_ASSERT_EQUAL(gossip_get_counters(f.g)->datagrams_sent > 0, i > 0);
        close_core();
    }
}

static void expect_texts(uint8_t i, const char *dc, const char *rack, const char *blob)
{
    struct uuid host_id = id(i);
    const struct gossip_member *m = gossip_find(f.g, &host_id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT(bytes_equal_text(m->dc, dc));
    CU_ASSERT(bytes_equal_text(m->rack, rack));
    CU_ASSERT(bytes_equal_text(m->app.blob, blob));
    gossip_check(f.g);
}

static void hear_texts(uint8_t i, uint64_t incarnation, const char *dc, const char *rack,
                       const char *blob)
{
    begin(9, "mine");
    struct gossip_message m = {.type = GOSSIP_TELL_ALIVE, .member = member(i, i, 1, incarnation)};
    m.member.dc = bytes_text(dc);
    m.member.rack = bytes_text(rack);
    m.member.app.blob = bytes_text(blob);
    gossip_encode(&m, &f.packet);
    deliver(GOSSIP_DATAGRAM);
}

/* Members of a rack share its name; one that moves does not take the others along. */
static void texts_are_shared_but_not_mixed_up(void)
{
    open_core();
    hear_texts(2, 10, "a", "bc", "first");
    hear_texts(3, 10, "a", "bc", "");
    hear_texts(4, 10, "ab", "c", "");
    expect_texts(3, "a", "bc", "");
    expect_texts(4, "ab", "c", "");
    hear_texts(2, 11, "ab", "c", "a longer one");
    expect_texts(2, "ab", "c", "a longer one");
    expect_texts(3, "a", "bc", "");
    hear_texts(3, 11, "z", "", "x");
    expect_texts(3, "z", "", "x");
    hear(GOSSIP_TELL_DEAD, 4, 10, 4);
    for (usec until = f.mono + 3700 * USEC_PER_SEC; f.mono < until;) {
        f.mono = gossip_deadline(f.g);
        deliver(GOSSIP_DEADLINE);
    }
    expect_texts(2, "ab", "c", "a longer one");
    close_core();
}

static void a_suspicion_shortened_into_the_past_is_no_stall(void)
{
    open_core();
    for (uint8_t i = 2; i < 7; i++)
        hear_alive(i, i, 1, 10);
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 3);
    usec late = f.mono + 3700 * USEC_PER_MS;
    while (gossip_deadline(f.g) < late) {
        f.mono = gossip_deadline(f.g);
        deliver(GOSSIP_DEADLINE);
    }
    uint64_t stalls = gossip_get_counters(f.g)->stalls;
    f.mono = late;
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 4);
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 5); /* shortest now: it should have been asked long ago */
    CU_ASSERT(gossip_deadline(f.g) < f.mono - 500 * USEC_PER_MS);
    deliver(GOSSIP_DEADLINE);
    CU_ASSERT_EQUAL(gossip_get_counters(f.g)->stalls, stalls);
    close_core();
}

static void the_dead_are_forgotten_at_last(void)
{
    open_core();
    hear_alive(2, 2, 1, 10);
    hear(GOSSIP_TELL_DEAD, 2, 10, 2);
    expect(2, GOSSIP_LEFT, 10);
    usec until = f.mono + 3700 * USEC_PER_SEC;
    while (f.mono < until) {
        f.mono = gossip_deadline(f.g);
        deliver(GOSSIP_DEADLINE);
    }
    CU_ASSERT_EQUAL(gossip_count(f.g), 1);
    close_core();
}

/* The suspect hears the accusation over the stream and has a probe timeout before the verdict. */
static void the_last_word_comes_before_the_verdict(void)
{
    open_core();
    hear_alive(2, 2, 1, 10);
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 3);
    struct uuid host_id = id(2);
    usec told = 0;
    while (gossip_is_reachable(f.g, &host_id)) {
        f.mono = gossip_deadline(f.g);
        deliver(GOSSIP_DEADLINE);
        for (size_t i = 0; i < f.effects.count; i++) {
            if (f.effects.items[i].type != GOSSIP_SEND_STREAM)
                continue;
            struct reader r = reader_make(f.effects.items[i].bytes);
            struct gossip_header h;
            struct gossip_message m;
            CU_ASSERT_EQUAL(gossip_decode_header(&r, &h), ERR_OK);
            if (gossip_decode(&r, &m) == ERR_OK && m.type == GOSSIP_TELL_SUSPECT)
                told = f.mono;
        }
    }
    CU_ASSERT(told > 0 && f.mono - told >= 500 * USEC_PER_MS);
    close_core();
}

/* A process that did not run for a minute gives the suspect the time it would have had. */
static void our_own_stall_is_no_verdict(void)
{
    open_core();
    hear_alive(2, 2, 1, 10);
    hear(GOSSIP_TELL_SUSPECT, 2, 10, 3);
    usec until = f.mono + 3600 * USEC_PER_MS; /* the last word was sent */
    while (gossip_deadline(f.g) < until) {
        f.mono = gossip_deadline(f.g);
        deliver(GOSSIP_DEADLINE);
    }
    f.mono += 60 * USEC_PER_SEC;
    deliver(GOSSIP_DEADLINE);
    expect(2, GOSSIP_SUSPECT, 10);
    CU_ASSERT_EQUAL(gossip_get_counters(f.g)->stalls, 1);
    until = f.mono + 2 * USEC_PER_SEC;
    while (gossip_deadline(f.g) < until) {
        f.mono = gossip_deadline(f.g);
        deliver(GOSSIP_DEADLINE);
    }
    expect(2, GOSSIP_DEAD, 10);
    close_core();
}

CU_TestInfo member_tests[] = {
    {"the last word comes before the verdict", the_last_word_comes_before_the_verdict},
    {"our own stall is no verdict", our_own_stall_is_no_verdict},
    {"what overrides what", what_overrides_what},
    {"confirmations count once each", confirmations_count_once_each},
    {"we refute what is said about us", we_refute_what_is_said_about_us},
    {"implausible incarnations are refused (47)", implausible_incarnations_are_refused},
    {"clocks that are far off are believed", clocks_that_are_far_off_are_believed},
    {"claims to an address (49)", claims_to_an_address},
    {"foreign and malformed packets change nothing", foreign_and_malformed_packets_change_nothing},
    {"members are bounded", members_are_bounded},
    {"push/pull merges the dead as suspect", push_pull_merges_the_dead_as_suspect},
    {"what a newcomer is told is no news to others", what_a_newcomer_is_told_is_no_news_to_others},
    {"texts are shared but not mixed up", texts_are_shared_but_not_mixed_up},
    {"a suspicion shortened into the past is no stall",
     a_suspicion_shortened_into_the_past_is_no_stall},
    {"S5 an update leaves at most the limit", an_update_leaves_at_most_the_limit},
    {"the dead are forgotten at last", the_dead_are_forgotten_at_last},
    CU_TEST_INFO_NULL,
};
