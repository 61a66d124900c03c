/* Any text goes into the parser, the type parser and the splitter; none of them may mind. */
#include "node/cql/grammar/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_make(data, size);
    struct arena arena;
    struct ast ast;
    struct ast_type *type;
    struct errmsg m;
    size_t len;
    bool blank;
    arena_init(&arena);
    (void)!cql_parse(text, &arena, &ast, &m);
    (void)!cql_parse_type(text, &arena, &type, &m);
    while (cql_split_statement(text, &len, &blank) && len > 0)
        text = bytes_make(text.data + len, text.len - len);
    arena_close(&arena);
    return 0;
}
