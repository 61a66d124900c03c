/* config-table: the settings as a Markdown table, for the README; scripts/check compares. */
#include "base/config.h"

#include <stdio.h>

int main(void)
{
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    config_markdown(&out);
    bool good = fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_close(&out);
    return good ? 0 : 1;
}
