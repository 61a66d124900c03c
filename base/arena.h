/* arena.h - memory for one request, released at once.
 *
 * Blocks of growing size; arena_reset keeps the largest one for the next request. Nothing is freed
 * singly. Memory is not zeroed unless the call says so. How much a request may take is bounded by
 * whoever feeds it (frame size, page bytes), and can be watched with arena_used.
 */
#ifndef TORC_BASE_ARENA_H
#define TORC_BASE_ARENA_H

#include "base/bytes.h"

struct arena_block;
struct arena {
    struct arena_block *head;
    uint8_t *at;
    uint8_t *end;
    size_t used; /* bytes handed out since the last reset */
};

void arena_init(struct arena *a); /* takes no memory yet; a zeroed arena is initialised too */
void arena_close(struct arena *a);
void arena_reset(struct arena *a);
size_t arena_used(const struct arena *a);

void *arena_alloc(struct arena *a, size_t size); /* aligned for any type, not zeroed */
void *arena_zero(struct arena *a, size_t size);
struct bytes arena_copy(struct arena *a, struct bytes b);
char *arena_text(struct arena *a, struct bytes b); /* a copy with a closing NUL */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(arena, type)      ((type *)arena_zero((arena), sizeof(type)))
#define arena_array(arena, type, n) ((type *)arena_zero((arena), sizeof(type) * (size_t)(n)))

/* Make room for one more item in a growing array; the old array is left to the arena. */
void *arena_grow(struct arena *a, void *items, size_t count, size_t *cap, size_t item_size);

#endif
