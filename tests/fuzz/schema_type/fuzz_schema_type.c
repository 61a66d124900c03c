/* Any text as a type and as the name of a Java class: an error, or a type whose text, bytes and
 * class give the same type again. The bytes are tried as a stored type and as a protocol option
 * too. */
#include "base/mem.h"
#include "node/schema/type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The name of a type's class is the name of a class of the same name. */
static void check_class(struct arena *a, const struct cql_type *type)
{
    struct buf first;
    struct buf second;
    const struct cql_type *back;
    buf_init(&first, 1 << 24);
    buf_init(&second, 1 << 24);
    cql_type_print_class(type, &first);
    if (!first.failed) {
        enum err err = cql_type_from_class(a, buf_bytes(&first), &back, NULL);
        ASSERT(err == ERR_OK);
        cql_type_print_class(back, &second);
        ASSERT(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
    }
    buf_close(&first);
    buf_close(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct buf out;
    const struct cql_type *type;
    const struct cql_type *back;
    buf_init(&out, 1 << 24);
    if (cql_type_parse(&a, bytes_make(data, size), &type, NULL) == ERR_OK) {
        const char *text = cql_type_text(&a, type);
        enum err err = cql_type_parse(&a, bytes_text(text), &back, NULL);
        ASSERT(err == ERR_OK);
        cql_type_put(type, &out);
        struct reader r = reader_make(buf_bytes(&out));
        back = cql_type_read(&r, &a);
        ASSERT(back != NULL && reader_done(&r) && cql_type_equal(type, back));
    }
    if (cql_type_from_class(&a, bytes_make(data, size), &type, NULL) == ERR_OK)
        check_class(&a, type);
    struct reader stored = reader_make(bytes_make(data, size));
    if ((back = cql_type_read(&stored, &a)) != NULL)
        cql_type_print(back, &out);
    struct reader option = reader_make(bytes_make(data, size));
    if ((back = cql_type_read_option(&option, &a)) != NULL)
        cql_type_print_class(back, &out);
    buf_close(&out);
    arena_close(&a);
    return 0;
}
