#include "base/arena.h"

#include "base/mem.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_MIN ((size_t)4096)
#define BLOCK_MAX ((size_t)1 << 20) /* growth stops here; a larger request gets its own size */

struct arena_block {
    struct arena_block *next;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_close(struct arena *a)
{
    struct arena_block *next;
    for (struct arena_block *b = a->head; b != NULL; b = next) {
        next = b->next;
        mem_free(b);
    }
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->head;
    if (keep == NULL)
        return;
    struct arena_block *next;
    for (struct arena_block *b = keep->next; b != NULL; b = next) {
        next = b->next;
        mem_free(b);
    }
    keep->next = NULL;
    if (keep->size > BLOCK_MAX) { /* one huge request must not pin its memory */
        mem_free(keep);
        *a = (struct arena){0};
        return;
    }
    a->at = keep->data;
    a->end = keep->data + keep->size;
    a->used = 0;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t align = alignof(max_align_t);
    size = ((size > 0 ? size : 1) + align - 1) & ~(align - 1); /* nothing has an address too */
    if (a->head == NULL || size > (size_t)(a->end - a->at)) {
        size_t want = a->head != NULL ? a->head->size * 2 : BLOCK_MIN;
        if (want > BLOCK_MAX)
            want = BLOCK_MAX;
        if (want < size)
            want = size;
        struct arena_block *b = mem_resize(NULL, sizeof *b + want);
        b->next = a->head;
        b->size = want;
        a->head = b;
        a->at = b->data;
        a->end = b->data + want;
    }
    void *p = a->at;
    a->at += size;
    a->used += size;
    return p;
}

void *arena_zero(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    memset(p, 0, size);
    return p;
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
    uint8_t *p = arena_alloc(a, b.len);
    if (b.len > 0)
        memcpy(p, b.data, b.len);
    return bytes_make(p, b.len);
}

char *arena_text(struct arena *a, struct bytes b)
{
    char *p = arena_alloc(a, b.len + 1);
    if (b.len > 0)
        memcpy(p, b.data, b.len);
    p[b.len] = 0;
    return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return p;
}

void *arena_grow(struct arena *a, void *items, size_t count, size_t *cap, size_t item_size)
{
    if (count < *cap)
        return items;
    *cap = *cap > 0 ? *cap * 2 : 8;
    void *bigger = arena_zero(a, *cap * item_size);
    if (count > 0)
        memcpy(bigger, items, count * item_size);
    return bigger;
}
