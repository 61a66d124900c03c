/* Any text as torc.yaml: an error or settings that can be written out and read again. */
#include "base/config.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c, again;
    struct errmsg m;
    config_defaults(&c);
    if (config_read_yaml(&c, "fuzz", bytes_make(data, size), &m) != ERR_OK)
        return 0;
    (void)!config_check(&c, &m);
    config_defaults(&again);
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        struct buf text, twice;
        buf_init(&text, CONFIG_ITEMS_MAX);
        buf_init(&twice, CONFIG_ITEMS_MAX);
        config_value_text(&c, i, &text);
        ASSERT(config_set(&again, config_name(i), buf_bytes(&text), &m) == ERR_OK);
        config_value_text(&again, i, &twice);
        ASSERT(bytes_equal(buf_bytes(&text), buf_bytes(&twice)));
        buf_close(&text);
        buf_close(&twice);
    }
    return 0;
}
