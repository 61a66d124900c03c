#include "cli/csv.h"

#include "base/mem.h"
#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

/* Records as [a|b] with quoted fields as "a", bad ones as !line. `piece` bytes are fed at a time,
 * each in memory of its own, so that a view kept too long shows. */
static void spell(struct csv_format format, struct bytes in, size_t piece, struct buf *out)
{
    struct csv_reader r;
    struct csv_record record;
    uint8_t *copy = NULL;
    size_t at = 0;
    csv_reader_init(&r, format);
    while (true) {
        enum csv_next next = csv_next(&r, &record);
        if (next == CSV_MORE && r.finished)
            break;
        if (next == CSV_BAD)
            buf_printf(out, "!%llu", (unsigned long long)record.line);
        for (size_t i = 0; next == CSV_RECORD && i < record.count; i++) {
            const char *quote = record.fields[i].quoted ? "\"" : "";
            buf_printf(out, "%s%s", i == 0 ? "[" : "|", quote);
            buf_put_bytes(out, record.fields[i].text);
            buf_printf(out, "%s%s", quote, i + 1 == record.count ? "]" : "");
        }
        if (next != CSV_MORE)
            continue;
        mem_free(copy);
        copy = NULL;
        size_t n = in.len - at < piece ? in.len - at : piece;
        if (n > 0) {
            copy = mem_copy(in.data + at, n);
            csv_feed(&r, bytes_make(copy, n));
            at += n;
        } else {
            csv_finish(&r);
        }
    }
    csv_reader_close(&r);
}

static const struct row {
    const char *in;
    const char *out;
} rows[] = {
    {"a,b\n1,2\n", "[a|b][1|2]"},
    {"a,b", "[a|b]"},
    {"a,\n", "[a|]"},
    {",", "[|]"},
    {"", ""},
    {"\n\n", ""},
    {"a\r\nb\rc\n", "[a][b][c]"},
    {"\"a\"", "[\"a\"]"},
    {"\"\",", "[\"\"|]"},
    {"\"a,b\",c\n", "[\"a,b\"|c]"},
    {"\"a\nb\"\n", "[\"a\nb\"]"},
    {"\"a\r\nb\"\r\nc", "[\"a\r\nb\"][c]"},
    {"\"say \"\"hi\"\"\"\n", "[\"say \"hi\"\"]"},
    {"a \"b\" c\n", "[a \"b\" c]"},
    {"a\\b\n", "[a\\b]"},
    {"\"a\"b,c\nd\n", "!1[d]"},
    {"x\n\"open\nnever", "[x]!2"},
    {"\xef\xbb\xbf"
     "a,b\n",
     "[a|b]"},
    {"\xef\xbb"
     "a",
     "[\xef\xbb"
     "a]"},
    {"\xc3\xa4,\xe2\x82\xac\n", "[\xc3\xa4|\xe2\x82\xac]"},
};

static void reads_what_the_rules_say(void)
{
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t piece = 1; piece < 9; piece += 3) {
            buf_clear(&out);
            spell(CSV_FORMAT_DEFAULT, bytes_text(rows[i].in), piece, &out);
            bool same = bytes_equal_text(buf_bytes(&out), rows[i].out);
            CU_ASSERT_TRUE(same);
            if (!same)
                printf("\n  row %zu by %zu: %.*s\n", i, piece, (int)out.len,
                       (const char *)out.data);
        }
    }
    buf_close(&out);
}

static void reads_files_of_cqlsh(void)
{
    struct csv_format format = {',', '"', '\\'};
    struct buf out;
    buf_init(&out, 4096);
    spell(format, BYTES_LIT("\"say \\\"hi\\\", \\\\ there\",a\\,b\n"), 3, &out);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&out), "[\"say \"hi\", \\ there\"|a,b]"));
    buf_close(&out);
}

/* Anything written is read back, fed in pieces of any size. */
static void round_trip(void)
{
    static const char alphabet[] = "ab,\"\n\r\\;'\xef\xc3 ";
    static const struct csv_format formats[] = {
        {',', '"', '"'}, {';', '\'', '\''}, {',', '"', '\\'}, {'\t', '"', '"'}};
    struct rng rng;
    struct buf text, expected, out;
    rng_init(&rng, 20260102);
    buf_init(&text, 1 << 20);
    buf_init(&expected, 1 << 20);
    buf_init(&out, 1 << 20);
    for (int round = 0; round < 3000; round++) {
        struct csv_format f = formats[rng_below(&rng, ARRAY_LEN(formats))];
        buf_clear(&text);
        buf_clear(&expected);
        buf_clear(&out);
        for (uint64_t r = rng_below(&rng, 4) + 1; r > 0; r--) {
            uint64_t fields = rng_below(&rng, 4) + 2;
            for (uint64_t i = 0; i < fields; i++) {
                uint8_t field[8];
                size_t n = rng_below(&rng, sizeof field + 1);
                for (size_t c = 0; c < n; c++)
                    field[c] = (uint8_t)alphabet[rng_below(&rng, sizeof alphabet - 1)];
                if (i > 0)
                    buf_put_u8(&text, f.delimiter);
                buf_put_u8(&expected, i == 0 ? '[' : '|');
                csv_put_field(&text, f, bytes_make(field, n), true);
                buf_put_u8(&expected, '"');
                buf_put(&expected, field, n);
                buf_put_u8(&expected, '"');
            }
            buf_put_u8(&text, '\n');
            buf_put_u8(&expected, ']');
        }
        spell(f, buf_bytes(&text), rng_below(&rng, 7) + 1, &out);
        CU_ASSERT_TRUE(bytes_equal(buf_bytes(&out), buf_bytes(&expected)));
    }
    buf_close(&text);
    buf_close(&expected);
    buf_close(&out);
}

/* Without being asked for, quotes come only where they must. */
static void quotes_only_when_needed(void)
{
    static const struct row cases[] = {{"a b", "a b"},         {"", ""},         {"a,b", "\"a,b\""},
                                       {"a\"b", "\"a\"\"b\""}, {"\n", "\"\n\""}, {"a'b", "a'b"}};
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&out);
        csv_put_field(&out, CSV_FORMAT_DEFAULT, bytes_text(cases[i].in), false);
        CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&out), cases[i].out));
    }
    buf_close(&out);
}

CU_TestInfo csv_tests[] = {
    {"reads what the rules say", reads_what_the_rules_say},
    {"reads files of cqlsh", reads_files_of_cqlsh},
    {"round trip", round_trip},
    {"quotes only when needed", quotes_only_when_needed},
    CU_TEST_INFO_NULL,
};
