/* trace and log: what a line looks like, and that nobody can forge one. */
#include "base/log.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static char seen[2 * LOG_LINE_MAX];
static size_t lines;

static void sink(void *arg, struct bytes line)
{
    size_t len = strlen(seen);
    (void)arg;
    snprintf(seen + len, sizeof seen - len, "%.*s", (int)line.len, (const char *)line.data);
    lines++;
}

void log_setup(void);
void log_teardown(void);

void log_setup(void)
{
    seen[0] = 0;
    lines = 0;
}

void log_teardown(void)
{
}

static struct log make(enum log_level level, enum log_format format)
{
    struct log l;
    log_init(&l, level, format, "n1", (struct log_sink){sink, NULL});
    return l;
}

#define AT ((usec)1700000000123456)

static void text_line(void)
{
    struct log l = make(LOG_INFO, LOG_TEXT);
    log_line(&l, AT, LOG_WARN, "seed %s silent -> try %d", "10.0.0.2", 2);
    CU_ASSERT_STRING_EQUAL(seen,
                           "2023-11-14T22:13:20.123Z warn n1 > seed 10.0.0.2 silent -> try 2\n");
}

static void json_line(void)
{
    struct log l = make(LOG_INFO, LOG_JSON);
    log_line(&l, AT, LOG_ERROR, "a \"q\" \\ \n \x01 \xc3\xa9 \xff\xc3");
    CU_ASSERT_STRING_EQUAL(
        seen, "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"error\",\"node\":\"n1\","
              "\"what\":\"a \\\"q\\\" \\\\ \\u000a \\u0001 \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\"}\n");
}

static void levels_filter(void)
{
    struct log l = make(LOG_WARN, LOG_TEXT);
    log_line(&l, AT, LOG_DEBUG, "no");
    log_line(&l, AT, LOG_INFO, "no");
    log_line(&l, AT, LOG_WARN, "yes");
    log_line(&l, AT, LOG_ERROR, "yes");
    log_line(NULL, AT, LOG_ERROR, "nobody listens");
    CU_ASSERT_EQUAL(lines, 2);
}

static void a_client_cannot_forge_a_line(void)
{
    struct log l = make(LOG_DEBUG, LOG_TEXT);
    log_line(&l, AT, LOG_INFO, "no table %s", "x\n2023 error n1 > forged");
    struct tracer t = log_tracer(&l);
    trace(&t, ((struct now){0, AT}), "key %s", "a\r\nb");
    CU_ASSERT_EQUAL(lines, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(seen, "no table x\\x0a2023 error"));
    CU_ASSERT_PTR_NOT_NULL(strstr(seen, " debug n1 > key a??b\n"));
}

static void a_long_line_is_cut_and_closed(void)
{
    static char text[LOG_LINE_MAX];
    struct log l = make(LOG_DEBUG, LOG_JSON);
    memset(text, '\x01', sizeof text - 1); /* six bytes each when escaped */
    log_line(&l, AT, LOG_INFO, "%s", text);
    size_t len = strlen(seen);
    CU_ASSERT_TRUE(len <= LOG_LINE_MAX);
    CU_ASSERT_STRING_EQUAL(seen + len - 9, "\\u0001\"}\n");
}

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

static void a_null_tracer_evaluates_nothing(void)
{
    const struct tracer *nobody = NULL;
    trace(nobody, ((struct now){0, 0}), "%d", evaluate());
    CU_ASSERT_EQUAL(evaluated, 0);
}

static void odd_times(void)
{
    char text[LOG_TIME_SIZE];
    CU_ASSERT_STRING_EQUAL(log_time(0, text), "1970-01-01T00:00:00.000Z");
    CU_ASSERT_STRING_EQUAL(log_time(-5, text), "-5us");
    CU_ASSERT_STRING_EQUAL(log_time(INT64_MAX, text), "9223372036854775807us");
}

CU_TestInfo log_tests[] = {
    {"text line", text_line},
    {"JSON line", json_line},
    {"levels filter", levels_filter},
    {"a client cannot forge a line", a_client_cannot_forge_a_line},
    {"a long line is cut and closed", a_long_line_is_cut_and_closed},
    {"a NULL tracer evaluates nothing", a_null_tracer_evaluates_nothing},
    {"odd times", odd_times},
    CU_TEST_INFO_NULL,
};
