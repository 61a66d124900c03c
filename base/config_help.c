/* The settings for people: --help and the table of the README. */
#include "base/config_keys.h"

#include <string.h>

/* What may be written: "10ms to 1h", "batch|periodic", "true or false"; empty: anything. */
static void put_allowed(const struct config_key *key, struct buf *out)
{
    if (key->type == CONFIG_BOOL)
        buf_put_text(out, "true or false");
    else if (key->most[0] != 0)
        buf_printf(out, "%s to %s", key->least, key->most);
    else
        buf_put_text(out, key->least);
}

void config_help(struct buf *out)
{
    buf_put_text(out, "Settings, as `key: value` in torc.yaml, TORC_KEY=value or --key=value:\n\n");
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_key *key = &config_keys[i];
        struct buf allowed;
        buf_init(&allowed, CONFIG_TEXT_MAX);
        put_allowed(key, &allowed);
        buf_printf(out, "  --%s=%s\n        %s", key->name,
                   key->preset[0] != 0 ? key->preset : "\"\"", key->help);
        if (allowed.len > 0)
            buf_printf(out, " (%.*s)", (int)allowed.len, (const char *)allowed.data);
        buf_put_text(out, "\n");
        buf_close(&allowed);
    }
}

/* `|` would end the cell of a Markdown table. */
static void put_words(const struct buf *text, struct buf *out)
{
    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] == '|')
            buf_put_text(out, ", ");
        else
            buf_put_u8(out, text->data[i]);
    }
}

void config_markdown(struct buf *out)
{
    buf_put_text(out, "| setting | default | allowed | meaning |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_key *key = &config_keys[i];
        struct buf allowed;
        buf_init(&allowed, CONFIG_TEXT_MAX);
        put_allowed(key, &allowed);
        buf_printf(out, "| `%s` | %s%s%s | ", key->name, key->preset[0] != 0 ? "`" : "",
                   key->preset, key->preset[0] != 0 ? "`" : "");
        put_words(&allowed, out);
        buf_printf(out, " | %s |\n", key->help);
        buf_close(&allowed);
    }
}
