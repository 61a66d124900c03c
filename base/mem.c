#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void assert_failed(const char *condition, const char *file, int line, const char *func)
{
    fprintf(stderr, "torc: assertion failed: %s (%s:%d, %s)\n", condition, file, line, func);
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = calloc(1, size > 0 ? size : 1);
    ASSERT(p != NULL);
    return p;
}

void *mem_resize(void *p, size_t size)
{
    p = realloc(p, size > 0 ? size : 1);
    ASSERT(p != NULL);
    return p;
}

void *mem_copy(const void *p, size_t size)
{
    void *copy = mem_alloc(size);
    if (size > 0)
        memcpy(copy, p, size);
    return copy;
}

char *mem_text(const char *text)
{
    return mem_copy(text, strlen(text) + 1);
}

void mem_free(void *p)
{
    free(p);
}

void *mem_grow(void *items, size_t count, size_t *cap, size_t item_size)
{
    if (count < *cap)
        return items;
    *cap = *cap > 0 ? *cap * 2 : 8;
    return mem_resize(items, *cap * item_size);
}
