#include "base/types.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

int uuid_compare(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

bool uuid_is_zero(const struct uuid *u)
{
    static const struct uuid zero;
    return uuid_equal(u, &zero);
}

const char *uuid_text(const struct uuid *u, char ret_text[UUID_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    char *p = ret_text;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[u->b[i] >> 4];
        *p++ = hex[u->b[i] & 15];
    }
    *p = 0;
    return ret_text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uuid_parse(const char *text, size_t len, struct uuid *ret_uuid)
{
    struct uuid u;
    size_t at = 0;
    if (len != 36)
        return false;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (text[at++] != '-')
                return false;
        }
        int high = hex_digit(text[at]);
        int low = hex_digit(text[at + 1]);
        if (high < 0 || low < 0)
            return false;
        u.b[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *ret_uuid = u;
    return true;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->port == b->port;
}

int endpoint_compare(const struct endpoint *a, const struct endpoint *b)
{
    int c = memcmp(a->ip, b->ip, sizeof a->ip);
    if (c != 0)
        return c;
    return a->port < b->port ? -1 : a->port > b->port;
}

bool endpoint_is_none(const struct endpoint *e)
{
    static const uint8_t zero[16];
    return e->port == 0 && memcmp(e->ip, zero, sizeof zero) == 0;
}

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool endpoint_is_v4(const struct endpoint *e)
{
    return memcmp(e->ip, v4_prefix, sizeof v4_prefix) == 0;
}

struct endpoint endpoint_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    struct endpoint e = {.port = port};
    const uint8_t last[4] = {a, b, c, d};
    memcpy(e.ip, v4_prefix, sizeof v4_prefix);
    memcpy(e.ip + 12, last, sizeof last);
    return e;
}

const char *endpoint_ip_text(const struct endpoint *e, char ret_text[ENDPOINT_TEXT_SIZE])
{
    if (endpoint_is_v4(e))
        inet_ntop(AF_INET, e->ip + 12, ret_text, ENDPOINT_TEXT_SIZE);
    else
        inet_ntop(AF_INET6, e->ip, ret_text, ENDPOINT_TEXT_SIZE);
    return ret_text;
}

const char *endpoint_text(const struct endpoint *e, char ret_text[ENDPOINT_TEXT_SIZE])
{
    char ip[ENDPOINT_TEXT_SIZE];
    const char *form = endpoint_is_v4(e) ? "%.46s:%u" : "[%.46s]:%u";
    snprintf(ret_text, ENDPOINT_TEXT_SIZE, form, endpoint_ip_text(e, ip), (unsigned)e->port);
    return ret_text;
}

bool endpoint_parse(const char *text, uint16_t default_port, struct endpoint *ret_endpoint)
{
    struct endpoint e = {.port = default_port};
    char ip[ENDPOINT_TEXT_SIZE];
    const char *port = NULL;
    size_t len = strlen(text);
    const char *colon = strchr(text, ':');
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (close == NULL || (close[1] != 0 && close[1] != ':'))
            return false;
        port = close[1] == ':' ? close + 2 : NULL;
        text++;
        len = (size_t)(close - text);
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        port = colon + 1;
        len = (size_t)(colon - text);
    }
    if (len == 0 || len >= sizeof ip)
        return false;
    memcpy(ip, text, len);
    ip[len] = 0;
    if (port != NULL) {
        char *end;
        long n = strtol(port, &end, 10);
        /* strtol would also take spaces and a sign. */
        if (*port < '0' || *port > '9' || *end != 0 || n > 65535)
            return false;
        e.port = (uint16_t)n;
    }
    if (inet_pton(AF_INET, ip, e.ip + 12) == 1)
        memcpy(e.ip, v4_prefix, sizeof v4_prefix);
    else if (inet_pton(AF_INET6, ip, e.ip) != 1)
        return false;
    *ret_endpoint = e;
    return true;
}
