#include "engine_fixture.h"

#include "base/mem.h"
#include "gen.h"
#include "storage/store_mem.h"

enum err open_engine(struct store *s, struct engine **ret)
{
    struct engine_config config = {.seed = 1, .ring_ranges = 16, .tree_width = 2};
    struct errmsg msg;
    return engine_new(s, &config, ret, &msg);
}

void sync_all(struct store *s)
{
    store_flush(s);
    store_mem_sync(s, SIZE_MAX);
}

struct scan whole_table(void)
{
    return (struct scan){.table = TABLE,
                         .after_token = INT64_MIN,
                         .upto_token = INT64_MAX,
                         .want_static = true,
                         .bytes_max = UINT32_MAX};
}

struct part one_row(struct arena *arena, const char *row, int64_t timestamp, struct dot dot)
{
    struct event e = {.kind = EVENT_CELL, .row = bytes_text(row)};
    e.cell = (struct cell){.column = 1, .timestamp = timestamp, .value = BYTES_LIT("v")};
    e.cell.dot = dot;
    return gen_part(&e, 1, arena);
}
