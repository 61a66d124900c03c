/* Any bytes as CSV, cut at any place: reading never minds, gives the same records however it is
 * fed, and what is read and written again reads the same. Fields also go through every conversion.
 */
#include "base/mem.h"
#include "cli/convert.h"
#include "cli/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All records, written again with every field's quotes kept; bad ones are left out. */
static void rewrite(struct bytes in, size_t piece, struct buf *out)
{
    struct csv_reader r;
    struct csv_record record;
    size_t at = 0;
    csv_reader_init(&r, CSV_FORMAT_DEFAULT);
    while (true) {
        enum csv_next next = csv_next(&r, &record);
        for (size_t i = 0; next == CSV_RECORD && i < record.count; i++) {
            if (i > 0)
                buf_put_u8(out, ',');
            csv_put_field(out, CSV_FORMAT_DEFAULT, record.fields[i].text, record.fields[i].quoted);
        }
        if (next == CSV_RECORD)
            buf_put_u8(out, '\n');
        if (next != CSV_MORE)
            continue;
        if (r.finished)
            break;
        size_t n = in.len - at < piece ? in.len - at : piece;
        if (n == 0)
            csv_finish(&r);
        else
            csv_feed(&r, bytes_make(in.data + at, n));
        at += n;
    }
    csv_reader_close(&r);
}

static void convert(struct bytes text)
{
    static const char *const types[] = {"int",
                                        "double",
                                        "decimal",
                                        "varint",
                                        "blob",
                                        "uuid",
                                        "timestamp",
                                        "duration",
                                        "inet",
                                        "list<int>",
                                        "map<text, frozen<set<double>>>"};
    struct buf out;
    struct arena arena;
    arena_init(&arena);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct cql_type *type;
        ASSERT(cql_type_parse(&arena, bytes_text(types[i]), &type, NULL) == ERR_OK);
        buf_clear(&out);
        if (convert_text(type, text, "c", &out, NULL) == ERR_OK && !out.failed)
            ASSERT(value_validate(type, buf_bytes(&out), NULL) == ERR_OK);
    }
    buf_close(&out);
    arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make(data, size);
    struct buf once, cut, twice;
    buf_init(&once, 1 << 24);
    buf_init(&cut, 1 << 24);
    buf_init(&twice, 1 << 24);
    rewrite(in, SIZE_MAX, &once);
    rewrite(in, 1, &cut);
    ASSERT(bytes_equal(buf_bytes(&once), buf_bytes(&cut)));
    rewrite(buf_bytes(&once), 7, &twice);
    ASSERT(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));
    if (size < 4096)
        convert(in);
    buf_close(&once);
    buf_close(&cut);
    buf_close(&twice);
    return 0;
}
