/* Entries of the log: decoding any bytes, and applying them to a cluster of one node. */
#include "base/mem.h"
#include "node/meta/state.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void found(struct state *s)
{
    struct command c = {.kind = COMMAND_FOUND, .name = BYTES_LIT("fuzz")};
    struct uuid id = {{1}};
    struct state_change change;
    struct buf ring, entry;
    c.info = (struct node_info){.host_id = {{2}}, .weight = 1, .dc = "d", .rack = "r"};
    c.info.endpoint = endpoint_v4(10, 0, 0, 1, 7000);
    buf_init(&ring, BUF_MAX_DEFAULT);
    buf_init(&entry, BUF_MAX_DEFAULT);
    enum err err = state_plan_found(4, &c.info, &ring);
    ASSERT(err == ERR_OK);
    c.plan = buf_bytes(&ring);
    entry_encode(&id, &c, &entry);
    err = state_apply(s, buf_bytes(&entry), &change);
    ASSERT(err == ERR_OK);
    buf_close(&ring);
    buf_close(&entry);
}

/* To found a cluster takes far longer than to refuse an entry that cannot be read, as most are. */
static bool is_worth_a_cluster(struct bytes entry)
{
    struct uuid id;
    struct command c;
    return entry_decode(entry, &id, &c) == ERR_OK || entry.len % 16 == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state s;
    struct state_change change;
    struct bytes entry = bytes_make(data, size);
    if (!is_worth_a_cluster(entry))
        return 0;
    state_init(&s);
    found(&s);
    if (state_apply(&s, entry, &change) == ERR_OK)
        topology_check(&s.topology);
    state_close(&s);
    return 0;
}
