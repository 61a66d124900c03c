/* Repair runs: what they want of healing and get from it; how people ask for them, and what they
 * are told (JSON, for the command line and for programs). */
#include "node/cql/exec/exec.h"
#include "node/node_core.h"

#include "base/mem.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_IDS (UINT64_C(1) << 62) /* none that healing gives itself */

static void set_log_bounds(struct log_bounds *b, const struct node_config *config)
{
    b->keep = config->log_min > 0 ? config->log_min : b->keep;
    b->max = config->log_max > 0 ? config->log_max : b->max;
    b->total = config->logs_total > 0 ? config->logs_total : b->total;
    b->window_us = config->log_window_us > 0 ? config->log_window_us : b->window_us;
}

void healing_init(struct node *n, const struct node_config *config)
{
    struct heal_config heal = HEAL_CONFIG_DEFAULT;
    struct repair_config repair = REPAIR_CONFIG_DEFAULT;
    heal.clock_offset_us = config->clock_offset_max_us;
    heal.first_question = rng_next(&n->rng) & ~UINT64_C(0xffffffff);
    heal.hold_us = config->purge_hold_us > 0 ? config->purge_hold_us : heal.hold_us;
    set_log_bounds(&heal.logs, config);
    n->config.tree_key = NULL; /* the engine has it */
    heal.scrub_us = config->scrub_us;
    heal.scrub_rows = config->scrub_rows > 0 ? config->scrub_rows : heal.scrub_rows;
    heal.rate_min = config->handoff_min > 0 ? config->handoff_min : heal.rate_min;
    heal.rate_max = config->handoff_max > 0 ? config->handoff_max : heal.rate_max;
    if (config->pull_bytes_max > 0)
        heal.pull_bytes_max = config->pull_bytes_max;
    heal.hints_rate = config->hints_rate > 0 ? config->hints_rate : heal.hints_rate;
    n->heal = heal_new(&heal, n->engine, n->cluster);
    healing_host(n);
    repair.first_number = BATCH_IDS | heal.first_question >> 2;
    omap_init(&n->found);
    n->repair = repair_new(&repair, n->engine, n->cluster);
}

/* --- between the two cores */

static struct repair_sums sums_of(const struct heal_figures *f)
{
    return (struct repair_sums){.rows = f->rows,
                                .rows_different = f->rows_different,
                                .rows_received = f->rows_received,
                                .rows_sent = f->rows_sent,
                                .doubtful = f->doubtful,
                                .leaves_wrong = f->leaves_wrong,
                                .rows_read = f->rows_read,
                                .messages = f->messages,
                                .bytes_search = f->bytes_search,
                                .bytes_hashes = f->bytes_hashes,
                                .bytes_received = f->bytes_received,
                                .bytes_sent = f->bytes_sent};
}

/* Rows are those of our tree as it is now; what else there is by table comes from the session. */
static struct repair_table *by_table(struct node *n, const struct heal_effect *e, size_t *ret_count)
{
    const struct heal_rows *rows = NULL;
    size_t of_session = e->compared.tables_count;
    size_t count = heal_rows(n->heal, e->compared.keyspace, e->compared.range, &n->arena, &rows);
    struct repair_table *tables = arena_array(&n->arena, struct repair_table, count + of_session);
    *ret_count = 0;
    for (size_t i = 0, k = 0; i < count || k < of_session;) {
        const struct heal_table *t = k < of_session ? &e->compared.tables[k] : NULL;
        bool has_rows = i < count && (t == NULL || rows[i].table <= t->table);
        struct repair_table *to = &tables[*ret_count];
        to->table = has_rows ? rows[i].table : t->table;
        bool has_found = t != NULL && t->table == to->table;
        to->sums.rows = has_rows ? rows[i].rows : 0;
        to->sums.rows_different = has_found ? t->rows_different : 0;
        to->sums.rows_received = has_found ? t->rows_received : 0;
        to->sums.rows_sent = has_found ? t->rows_sent : 0;
        i += has_rows;
        k += has_found;
        *ret_count += has_found || of_session == 0;
        if (!has_found && of_session > 0)
            *to = (struct repair_table){0}; /* nobody asked for it */
    }
    return tables;
}

static void compared_one(struct node *n, const struct heal_effect *e)
{
    struct repair_found found = {.equal = e->compared.figures.rows_different == 0 &&
                                          e->compared.err == ERR_OK,
                                 .ours = e->compared.ours,
                                 .sums = sums_of(&e->compared.figures)};
    if ((e->compared.id & BATCH_IDS) == 0)
        return;
    found.tables = by_table(n, e, &found.tables_count);
    struct repair_row *rows =
        arena_array(&n->arena, struct repair_row, e->compared.different_count);
    for (size_t i = 0; i < e->compared.different_count; i++)
        rows[i] =
            (struct repair_row){e->compared.different[i].table, e->compared.different[i].key_hash};
    found.different = rows;
    found.different_count = e->compared.different_count;
    found.different_all = found.different_count < HEAL_DIFFERENT_MAX;
    found.here = e->compared.here;
    found.there = e->compared.there;
    found.all = e->compared.all;
    repair_compared(n->repair, n->now, e->compared.id, e->compared.range, e->compared.err, &found);
}

static void compared_all(struct node *n, const struct heal_effect *e)
{
    struct repair_sums sums = sums_of(&e->compared_all.figures);
    repair_compared_all(n->repair, n->now, e->compared_all.id, e->compared_all.err, &sums);
}

void runs_compared(struct node *n, const struct heal_effect *e)
{
    if (e->type == HEAL_COMPARED) {
        entropy_compared(n, e);
        compared_one(n, e);
    } else {
        compared_all(n, e);
    }
}

void runs_deadline(struct node *n)
{
    uint64_t batches[REPAIR_BATCHES_MAX];
    if (repair_next_deadline(n->repair) > n->now.mono)
        return;
    size_t count = repair_batches(n->repair, batches);
    for (size_t i = 0; i < count; i++) {
        struct heal_progress p = heal_compare_progress(n->heal, batches[i]);
        repair_progress(n->repair, batches[i], p.thousandths, p.rows_read);
    }
    repair_deadline(n->repair, n->now);
}

/* What was asked for between two steps is to be heard at once. */
usec runs_due(const struct node *n)
{
    const struct repair_effect *effects;
    return repair_effects(n->repair, &effects) > 0 ? n->now.mono : repair_next_deadline(n->repair);
}

static void begin_batch(struct node *n, const struct repair_effect *e)
{
    struct heal_comparisons what = {.peer = e->compare.peer,
                                    .keyspace = e->compare.keyspace,
                                    .ranges = e->compare.ranges,
                                    .ranges_count = e->compare.ranges_count,
                                    .tables = e->compare.tables,
                                    .tables_count = e->compare.tables_count,
                                    .full = e->compare.full,
                                    .preview = e->compare.preview,
                                    .since = e->compare.since,
                                    .more = e->compare.more};
    struct repair_sums none = {0};
    if (!heal_compare_ranges(n->heal, n->now, e->compare.batch, &what))
        repair_compared_all(n->repair, n->now, e->compare.batch, ERR_OVERLOADED, &none);
}

/* Of all keyspaces, to what is there: ranges that are wanted, done, equal and failed; the sums. */
static void add_up(const struct repair_run *run, int64_t counts[4], struct repair_sums *sums)
{
    for (size_t i = 0; i < run->parts_count; i++) {
        const struct repair_part *p = &run->parts[i];
        counts[0] += p->wanted;
        counts[1] += p->done;
        counts[2] += p->equal;
        counts[3] += p->failed;
        repair_sums_add(sums, &p->sums);
    }
}

static void tell(struct node *n, uint64_t id, const char *what)
{
    char room[REPAIR_ID_SIZE];
    const struct repair_run *run = repair_find(n->repair, id);
    struct repair_sums sums = {0};
    int64_t counts[4] = {0};
    if (run != NULL)
        add_up(run, counts, &sums);
    node_log(n, counts[3] > 0,
             "repair %s %s -> %" PRId64 " of %" PRId64 " ranges, %" PRIu64
             " rows different, %" PRId64 " ranges not compared",
             repair_id_text(id, room), what, counts[1], counts[0], sums.rows_different, counts[3]);
}

bool runs_take(struct node *n)
{
    const struct repair_effect *effects;
    size_t count = repair_effects(n->repair, &effects);
    for (size_t i = 0; i < count; i++) {
        /* The list may grow and move while it is performed. */
        struct repair_effect e = effects[i];
        switch (e.type) {
        case REPAIR_SEND: peer_send_node(n, e.send.to, &e.send.message); break;
        case REPAIR_COMPARE: begin_batch(n, &e); break;
        case REPAIR_STOP: heal_compare_stop(n->heal, n->now, e.stop); break;
        case REPAIR_TOLD: tell(n, e.told.run, e.told.what); break;
        }
        count = repair_effects(n->repair, &effects);
    }
    if (count > 0)
        repair_clear(n->repair);
    return count > 0;
}

/* --- what people are told */

static json_t *sums_json(json_t *j, const struct repair_sums *sums)
{
#define X(name) json_object_set_new(j, #name, json_integer((json_int_t)sums->name));
    REPAIR_SUM_LIST(X)
#undef X
    return j;
}

/* As it was called when the run began. */
static json_t *name_json(const struct repair_part *p)
{
    return p != NULL && p->name[0] != 0 ? json_string(p->name) : json_null();
}

static bool is_dropped(const struct node *n, const struct repair_part *p)
{
    return p->gone || (n->schema != NULL && schema_keyspace_by_no(n->schema, p->keyspace) == NULL);
}

static const char *table_name(const struct node *n, table_no table)
{
    const struct table *t = n->schema != NULL ? schema_table_by_no(n->schema, table) : NULL;
    return t != NULL ? t->name : "(dropped)";
}

static json_t *part_json(const struct node *n, const struct repair_part *p)
{
    json_t *j = json_object(), *tables = json_array(), *wanted = json_array();
    json_object_set_new(j, "keyspace", name_json(p));
    for (size_t i = 0; i < p->tables_count; i++)
        json_array_append_new(wanted, json_string(table_name(n, p->tables[i])));
    json_object_set_new(j, "only", wanted);
    json_object_set_new(j, "dropped", json_boolean(is_dropped(n, p)));
    json_object_set_new(j, "ranges", json_integer(p->wanted));
    json_object_set_new(j, "done", json_integer(p->done));
    json_object_set_new(j, "equal", json_integer(p->equal));
    json_object_set_new(j, "failed", json_integer(p->failed));
    sums_json(j, &p->sums);
    for (size_t i = 0; i < p->by_table_count; i++) {
        const struct repair_table *t = &p->by_table[i];
        json_t *table = json_object();
        json_object_set_new(table, "table", json_string(table_name(n, t->table)));
        json_object_set_new(table, "rows", json_integer((json_int_t)t->sums.rows));
        json_object_set_new(table, "rows_different",
                            json_integer((json_int_t)t->sums.rows_different));
        json_object_set_new(table, "rows_received",
                            json_integer((json_int_t)t->sums.rows_received));
        json_object_set_new(table, "rows_sent", json_integer((json_int_t)t->sums.rows_sent));
        json_array_append_new(tables, table);
    }
    json_object_set_new(j, "tables", tables);
    return j;
}

static const char *reason_of(const struct repair_problem *p)
{
    switch (p->err) {
    case ERR_UNAVAILABLE: return p->peer != 0 ? "is down" : "no replica is up";
    case ERR_CORRUPT: return "damaged data";
    case ERR_BEHIND: return "has yet to get writes that others have: handoff brings them";
    case ERR_STALE: return "the ring changed";
    case ERR_TIMEOUT: return "does not answer";
    case ERR_OVERLOADED: return "is overloaded, or is written to too fast";
    default: return err_text(p->err);
    }
}

static json_t *problem_json(const struct node *n, const struct repair_run *run,
                            const struct repair_problem *p)
{
    const struct repair_part *part = NULL;
    for (size_t i = 0; i < run->parts_count && part == NULL; i++)
        part = run->parts[i].keyspace == p->keyspace ? &run->parts[i] : NULL;
    char text[ENDPOINT_TEXT_SIZE];
    json_t *j = json_object();
    struct token_span span = ring_range_span(p->range, cluster_ranges(n->cluster));
    const struct cluster_node *node = cluster_find(n->cluster, p->peer);
    json_object_set_new(j, "keyspace", name_json(part));
    json_object_set_new(j, "range", json_integer(p->range));
    json_object_set_new(j, "first_token", json_integer(span.first));
    json_object_set_new(j, "last_token", json_integer(span.last));
    json_object_set_new(j, "node", p->peer != 0 ? json_integer(p->peer) : json_null());
    json_object_set_new(j, "address",
                        node != NULL ? json_string(endpoint_text(&node->endpoint, text))
                                     : json_null());
    json_object_set_new(j, "reason", json_string(reason_of(p)));
    json_object_set_new(j, "lacking", json_integer((json_int_t)p->lacking));
    return j;
}

static const char *state_text(enum repair_state state)
{
    static const char *const texts[] = {
        [REPAIR_RUNNING] = "running", [REPAIR_OVER] = "over", [REPAIR_CANCELLED] = "cancelled"};
    return texts[state];
}

static json_t *run_json(const struct node *n, struct now now, const struct repair_run *run,
                        bool whole)
{
    char room[REPAIR_ID_SIZE];
    json_t *j = json_object(), *keyspaces = json_array(), *problems = json_array();
    struct repair_sums sums = {0};
    int64_t counts[4] = {0};
    int64_t us = (run->ended != 0 ? run->ended : now.wall) - run->began;
    json_object_set_new(j, "id", json_string(repair_id_text(run->id, room)));
    json_object_set_new(j, "state", json_string(state_text(run->state)));
    json_object_set_new(j, "preview", json_boolean(run->preview));
    json_object_set_new(j, "full", json_boolean(run->full));
    json_object_set_new(j, "node", run->only != 0 ? json_integer(run->only) : json_null());
    json_object_set_new(j, "began_ms", json_integer(run->began / USEC_PER_MS));
    json_object_set_new(j, "seconds", json_real((double)us / (double)USEC_PER_SEC));
    add_up(run, counts, &sums);
    for (size_t i = 0; i < run->parts_count; i++) {
        const struct repair_part *p = &run->parts[i];
        if (whole)
            json_array_append_new(keyspaces, part_json(n, p));
        else
            json_object_set_new(j, "keyspace", name_json(run->parts_count == 1 ? p : NULL));
    }
    json_object_set_new(j, "ranges", json_integer(counts[0]));
    json_object_set_new(j, "done", json_integer(counts[1]));
    json_object_set_new(j, "durable", json_boolean(run->durable));
    json_object_set_new(j, "kept", json_integer((json_int_t)run->kept));
    json_object_set_new(j, "equal", json_integer(counts[2]));
    json_object_set_new(j, "failed", json_integer(counts[3]));
    unsigned progress = run->state == REPAIR_OVER ? 1000 : run->progress;
    json_object_set_new(j, "progress", json_real((double)progress / 1000));
    const char *stopped = repair_stopped(n->repair);
    if (run->state == REPAIR_RUNNING && stopped != NULL)
        json_object_set_new(j, "stopped", json_string(stopped));
    if (run->state == REPAIR_RUNNING && run->waits_for != 0)
        json_object_set_new(j, "waits_for",
                            json_pack("{sIsI}", "node", (json_int_t)run->waits_for, "lacking",
                                      (json_int_t)run->waits));
    sums_json(j, &sums);
    json_object_set_new(j, "problems_count", json_integer((json_int_t)run->problems_all));
    for (size_t i = 0; i < run->problems_count && whole; i++)
        json_array_append_new(problems, problem_json(n, run, &run->problems[i]));
    if (whole) {
        json_object_set_new(j, "keyspaces", keyspaces);
        json_object_set_new(j, "problems", problems);
    } else {
        json_decref(keyspaces);
        json_decref(problems);
    }
    return j;
}

static void put(json_t *json, struct buf *out)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text != NULL)
        buf_put_text(out, text);
    buf_put_text(out, "\n");
    free(text);
    json_decref(json);
}

enum err node_repair_json(struct node *n, struct now now, const char *id, struct buf *out)
{
    const struct repair_run *const *runs;
    uint64_t number = 0;
    if (id != NULL) {
        const struct repair_run *run =
            repair_id_parse(bytes_text(id), &number) ? repair_find(n->repair, number) : NULL;
        if (run != NULL)
            put(run_json(n, now, run, true), out);
        return run != NULL ? ERR_OK : ERR_NOT_FOUND;
    }
    json_t *j = json_object(), *list = json_array();
    size_t count = repair_runs(n->repair, &runs);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, run_json(n, now, runs[i], false));
    json_object_set_new(j, "node", json_integer(cluster_self(n->cluster)));
    json_object_set_new(j, "runs", list);
    put(j, out);
    return ERR_OK;
}

/* --- system_views.repair_runs */

static const char *names_of(const struct repair_run *run, struct arena *arena)
{
    struct buf names;
    buf_init(&names, 65536);
    for (size_t i = 0; i < run->parts_count; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", run->parts[i].name);
    const char *text = arena_text(arena, buf_bytes(&names));
    buf_close(&names);
    return text;
}

static void run_row(struct exec_rows *out, const struct repair_run *run, struct arena *arena)
{
    char room[REPAIR_ID_SIZE];
    struct repair_sums sums = {0};
    int64_t counts[4] = {0};
    add_up(run, counts, &sums);
    exec_row(out);
    exec_put_text(out, "id", repair_id_text(run->id, room));
    exec_put_bigint(out, "began", run->began / USEC_PER_MS);
    if (run->ended != 0)
        exec_put_bigint(out, "ended", run->ended / USEC_PER_MS);
    exec_put_bool(out, "full", run->full);
    exec_put_text(out, "keyspaces", names_of(run, arena));
    exec_put_bool(out, "preview", run->preview);
    exec_put_bigint(out, "ranges", counts[0]);
    exec_put_bigint(out, "ranges_done", counts[1]);
    exec_put_bigint(out, "ranges_equal", counts[2]);
    exec_put_bigint(out, "ranges_failed", counts[3]);
    exec_put_text(out, "state", state_text(run->state));
#define X(name) exec_put_bigint(out, #name, (int64_t)sums.name);
    REPAIR_SUM_LIST(X)
#undef X
}

void runs_fill(struct node *n, struct exec_rows *out, struct arena *arena)
{
    const struct repair_run *const *runs;
    size_t count = repair_runs(n->repair, &runs);
    for (size_t i = 0; i < count; i++)
        run_row(out, runs[i], arena);
}
