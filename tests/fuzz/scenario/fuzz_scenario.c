/* Any text as a scenario: an error that says why, or one that is written and read as the same. */
#include "base/mem.h"
#include "node/sim/run/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scenario s, again;
    struct errmsg m;
    struct buf text, twice;
    if (scenario_read(bytes_make(data, size), &s, &m) != ERR_OK)
        return 0;
    buf_init(&text, (size_t)1 << 24);
    buf_init(&twice, (size_t)1 << 24);
    scenario_write(&s, &text);
    ASSERT(scenario_read(buf_bytes(&text), &again, &m) == ERR_OK);
    scenario_write(&again, &twice);
    ASSERT(bytes_equal(buf_bytes(&text), buf_bytes(&twice)));
    scenario_close(&s);
    scenario_close(&again);
    buf_close(&text);
    buf_close(&twice);
    return 0;
}
