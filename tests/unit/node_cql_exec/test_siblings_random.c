/* Random writers of a table that keeps siblings, against a model that holds for each place a list
 * of who wrote what, and for each context the writes it has seen. */
#include "one_node.h"

#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PARTS  2
#define ROWS   3
#define HELD   64 /* values of one place */
#define WRITES 400
#define ROUNDS 12

enum { MARKER, V, MX, MY, S0, S1, S2, PLACES };

struct value {
    int id; /* of the write */
    int value;
    int writer;
};

struct place {
    struct value items[HELD]; /* the newest first */
    int count;
};

struct context {
    bool known; /* somebody has read it */
    bool ids[WRITES];
    char text[6000];
};

struct statement {
    enum { PLAIN, CAUSAL, CONDITIONAL } mode;
    int id, writer;
    const struct context *context;
};

static struct one_node n;
static struct place rows[PARTS][ROWS][PLACES], statics[PARTS];
static struct context contexts[PARTS];
void exec_siblings_random_setup(void);
void exec_siblings_random_teardown(void);

void exec_siblings_random_setup(void)
{
    one_node_open(&n);
    one_node_query(&n, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                       "'replication_factor': 1}");
    one_node_query(&n, "USE ks");
    one_node_query(&n, "CREATE TABLE r (k int, c int, st int static, v int, m map<text, int>, s "
                       "set<int>, PRIMARY KEY (k, c)) WITH conflicts = 'siblings'");
}

void exec_siblings_random_teardown(void)
{
    one_node_close(&n);
}

/* --- the model */

static bool takes(const struct statement *s, const struct value *v, bool removal)
{
    switch (s->mode) {
    case CAUSAL: return s->context != NULL && s->context->ids[v->id];
    case CONDITIONAL: return true;
    default: return removal || v->writer == s->writer;
    }
}

static void clear(struct place *p, const struct statement *s, bool removal)
{
    int kept = 0;
    for (int i = 0; i < p->count; i++) {
        if (!takes(s, &p->items[i], removal))
            p->items[kept++] = p->items[i];
    }
    p->count = kept;
}

static void put(struct place *p, const struct statement *s, int value)
{
    clear(p, s, false);
    CU_ASSERT_FATAL(p->count < HELD);
    memmove(p->items + 1, p->items, (size_t)p->count++ * sizeof p->items[0]);
    p->items[0] = (struct value){s->id, value, s->writer};
}

static void clear_row(int k, int c, const struct statement *s)
{
    for (int i = 0; i < PLACES; i++)
        clear(&rows[k][c][i], s, true);
}

static bool is_there(int k, int c)
{
    for (int i = 0; i < PLACES; i++) {
        if (rows[k][c][i].count > 0)
            return true;
    }
    return false;
}

static void see(struct context *x, const struct place *p)
{
    for (int i = 0; i < p->count; i++)
        x->ids[p->items[i].id] = true;
}

/* --- what it should answer */

struct text {
    char text[4000];
    size_t len;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->len += (size_t)vsnprintf(t->text + t->len, sizeof t->text - t->len, format, args);
    va_end(args);
    CU_ASSERT_FATAL(t->len < sizeof t->text);
}

/* The different values; how many there are is returned. */
static int add_values(struct text *t, const struct place *p)
{
    int count = 0;
    add(t, "%s", p->count > 0 ? "[" : "null");
    for (int i = 0; i < p->count; i++) {
        bool known = false;
        for (int j = 0; j < i; j++)
            known = known || p->items[j].value == p->items[i].value;
        if (!known)
            add(t, "%s%d", count++ > 0 ? ", " : "", p->items[i].value);
    }
    add(t, "%s", p->count > 0 ? "]" : "");
    return count;
}

static void add_map(struct text *t, const struct place *row)
{
    bool x = row[MX].count > 0, y = row[MY].count > 0;
    add(t, "%s", x || y ? "{" : "null");
    if (x) {
        add(t, "'x': ");
        (void)add_values(t, &row[MX]);
    }
    add(t, "%s%s", x && y ? ", " : "", y ? "'y': " : "");
    if (y)
        (void)add_values(t, &row[MY]);
    add(t, "%s", x || y ? "}" : "");
}

static void add_set(struct text *t, const struct place *row)
{
    int count = 0;
    for (int i = 0; i < 3; i++) {
        if (row[S0 + i].count > 0)
            add(t, "%s%d", count++ > 0 ? ", " : "[{", i);
    }
    add(t, "%s", count > 0 ? "}]" : "null");
}

static void same(const char *query, const struct text *want, int id)
{
    const char *have = one_node_query(&n, query);
    bool good = strcmp(have, want->text) == 0;
    CU_ASSERT(good);
    if (!good)
        printf("\n  after %d: %s\n    want %s\n    have %s\n", id, query, want->text, have);
}

static void check(int k, int id)
{
    char query[128];
    struct text all = {"", 0}, one = {"", 0};
    int found = 0, others = 0;
    for (int c = 0; c < ROWS; c++) {
        const struct place *row = rows[k][c];
        struct text v = {"", 0};
        if (!is_there(k, c))
            continue;
        add(&all, "%s%d, ", found > 0 ? " | " : "", c);
        int count = add_values(&v, &row[V]);
        others += count > 1;
        add(&one, "%s%d, ", found++ > 0 ? " | " : "", c);
        if (row[V].count > 0)
            add(&one, "%d", row[V].items[0].value);
        else
            add(&one, "null");
        add(&all, "%s, ", v.text);
        add_map(&all, row);
        add(&all, ", ");
        add_set(&all, row);
    }
    if (found == 0) {
        add(&all, "%s", statics[k].count > 0 ? "null, null, null, null" : "(no rows)");
        add(&one, "%s", statics[k].count > 0 ? "null, null" : "(no rows)");
    }
    if (others > 0)
        add(&one,
            " [warning: ks.r: in %d of these rows there are concurrent values of v; shown are the "
            "winners, siblings(column) has all of them]",
            others);
    snprintf(query, sizeof query,
             "SELECT c, siblings(v), siblings(m), siblings(s) FROM r WHERE k = %d", k);
    same(query, &all, id);
    snprintf(query, sizeof query, "SELECT c, v FROM r WHERE k = %d", k);
    same(query, &one, id);
    struct text st = {"", 0};
    if (found > 0 || statics[k].count > 0)
        (void)add_values(&st, &statics[k]);
    else
        add(&st, "(no rows)");
    snprintf(query, sizeof query, "SELECT DISTINCT siblings(st) FROM r WHERE k = %d", k);
    same(query, &st, id);
}

/* --- what happens */

static void run(const char *want, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void run(const char *want, const char *format, ...)
{
    static char query[8000];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(query, sizeof query, format, args);
    va_end(args);
    CU_ASSERT_FATAL(len > 0 && (size_t)len < sizeof query);
    const char *have = one_node_query(&n, query);
    CU_ASSERT(strcmp(have, want) == 0);
    if (strcmp(have, want) != 0)
        printf("\n  %s\n    want %s\n    have %s\n", query, want, have);
}

/* A reader keeps what it saw: of one row, and of the static one. */
static void read_context(int k, int c)
{
    struct context *x = &contexts[k];
    char query[128];
    if (!is_there(k, c))
        return;
    snprintf(query, sizeof query, "SELECT causality() FROM r WHERE k = %d AND c = %d", k, c);
    const char *text = one_node_query(&n, query);
    CU_ASSERT_FATAL(strlen(text) < sizeof x->text);
    *x = (struct context){.known = true};
    strcpy(x->text, text);
    for (int i = 0; i < PLACES; i++)
        see(x, &rows[k][c][i]);
    see(x, &statics[k]);
}

static void remove_something(struct rng *r, const struct statement *s, const char *using, int k,
                             int c)
{
    int e = (int)rng_below(r, 3), upto = (int)rng_below(r, ROWS + 1);
    switch (rng_below(r, 8)) {
    case 0:
        run("void", "DELETE v FROM r%s WHERE k = %d AND c = %d", using, k, c);
        clear(&rows[k][c][V], s, true);
        break;
    case 1:
        run("void", "DELETE m['x'] FROM r%s WHERE k = %d AND c = %d", using, k, c);
        clear(&rows[k][c][MX], s, true);
        break;
    case 2:
        run("void", "UPDATE r%s SET s = s - {%d} WHERE k = %d AND c = %d", using, e, k, c);
        clear(&rows[k][c][S0 + e], s, true);
        break;
    case 3:
        run("void", "DELETE st FROM r%s WHERE k = %d", using, k);
        clear(&statics[k], s, true);
        break;
    case 4:
        run("void", "UPDATE r%s SET v = null, m = null WHERE k = %d AND c = %d", using, k, c);
        for (int i = V; i <= MY; i++)
            clear(&rows[k][c][i], s, true);
        break;
    case 5:
        run("void", "DELETE FROM r%s WHERE k = %d AND c < %d", using, k, upto);
        for (int i = 0; i < upto; i++)
            clear_row(k, i, s);
        break;
    case 6:
        run("void", "DELETE FROM r%s WHERE k = %d", using, k);
        for (int i = 0; i < ROWS; i++)
            clear_row(k, i, s);
        clear(&statics[k], s, true);
        break;
    default:
        run("void", "DELETE FROM r%s WHERE k = %d AND c = %d", using, k, c);
        clear_row(k, c, s);
        break;
    }
}

static void write_something(struct rng *r, const struct statement *s, const char *using, int k,
                            int c, int v)
{
    int e = (int)rng_below(r, 3), other = (c + 1) % ROWS;
    struct place *row = rows[k][c];
    switch (rng_below(r, 6)) {
    case 0:
        run("void", "INSERT INTO r (k, c, v, s) VALUES (%d, %d, %d, {%d})%s", k, c, v, e, using);
        put(&row[MARKER], s, 0);
        put(&row[V], s, v);
        for (int i = 0; i < 3; i++)
            clear(&row[S0 + i], s, true);
        put(&row[S0 + e], s, 0);
        break;
    case 1:
        run("void", "UPDATE r%s SET v = %d WHERE k = %d AND c IN (%d, %d)", using, v, k, c, other);
        put(&row[V], s, v);
        put(&rows[k][other][V], s, v);
        break;
    case 2:
        run("void", "UPDATE r%s SET m['x'] = %d, s = s + {%d} WHERE k = %d AND c = %d", using, v, e,
            k, c);
        put(&row[MX], s, v);
        put(&row[S0 + e], s, 0);
        break;
    case 3:
        run("void", "UPDATE r%s SET m = {'y': %d} WHERE k = %d AND c = %d", using, v, k, c);
        clear(&row[MX], s, true);
        clear(&row[MY], s, true);
        put(&row[MY], s, v);
        break;
    case 4:
        run("void", "UPDATE r%s SET st = %d WHERE k = %d", using, v, k);
        put(&statics[k], s, v);
        break;
    default:
        run("void", "UPDATE r%s SET v = %d WHERE k = %d AND c = %d", using, v, k, c);
        put(&row[V], s, v);
        break;
    }
}

static void write_if(struct statement *s, int k, int c, int v)
{
    struct place *p = &rows[k][c][V];
    s->mode = CONDITIONAL;
    s->writer = -1; /* what an IF decides is nobody's: it may be written late, by others */
    if (p->count == 0)
        run("true", "UPDATE r SET v = %d WHERE k = %d AND c = %d IF v = null", v, k, c);
    else
        run("true", "UPDATE r SET v = %d WHERE k = %d AND c = %d IF v = %d", v, k, c,
            p->items[0].value);
    put(p, s, v);
}

static void step(struct rng *r, int id)
{
    static const char *const names[] = {"one", "two", "three"};
    static char using[6100];
    int k = (int)rng_below(r, PARTS), c = (int)rng_below(r, ROWS), v = (int)rng_below(r, 5);
    struct statement s = {.id = id, .writer = (int)rng_below(r, ARRAY_LEN(names))};
    n.client = names[s.writer];
    using[0] = '\0';
    if (rng_chance(r, 250000)) {
        read_context(k, c);
    } else if (rng_chance(r, 100000)) {
        write_if(&s, k, c, v);
    } else {
        if (rng_chance(r, 400000)) {
            s.mode = CAUSAL;
            s.context = contexts[k].known ? &contexts[k] : NULL;
            snprintf(using, sizeof using, " USING CAUSALITY %s",
                     s.context != NULL ? s.context->text : "null");
        }
        if (rng_chance(r, 300000))
            remove_something(r, &s, using, k, c);
        else
            write_something(r, &s, using, k, c, v);
    }
    check(k, id);
}

static void writers_and_readers(void)
{
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct rng r;
        rng_init(&r, seed);
        one_node_query(&n, "TRUNCATE r");
        memset(rows, 0, sizeof rows);
        memset(statics, 0, sizeof statics);
        memset(contexts, 0, sizeof contexts);
        unsigned before = CU_get_number_of_failures();
        for (int id = 0; id < WRITES && CU_get_number_of_failures() == before; id++)
            step(&r, id);
        if (CU_get_number_of_failures() != before) {
            printf("\n  seed %llu\n", (unsigned long long)seed);
            return;
        }
    }
}

CU_TestInfo exec_siblings_random_tests[] = {
    {"writers that see each other, or not", writers_and_readers},
    CU_TEST_INFO_NULL,
};
