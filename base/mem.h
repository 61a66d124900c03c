/* mem.h - allocation that does not fail, and our own assertion.
 *
 * Small allocations abort when memory is out; in exchange everything that grows has a named bound.
 * ASSERT is on in every build. It guards our own invariants and is never reached by bytes from a
 * peer, a client, a file or a disk: those are decoded to ERR_MALFORMED at the edge.
 */
#ifndef TORC_BASE_MEM_H
#define TORC_BASE_MEM_H

#include <stddef.h>

#define ASSERT(condition)                                                                          \
    ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))

_Noreturn void assert_failed(const char *condition, const char *file, int line, const char *func);

/* Zeroed memory; aborts when there is none. Release with mem_free. mem_alloc(0) is valid. */
void *mem_alloc(size_t size) __attribute__((malloc));
void *mem_resize(void *p, size_t size);
void *mem_copy(const void *p, size_t size);
char *mem_text(const char *text);
void mem_free(void *p);

#define mem_new(type) ((type *)mem_alloc(sizeof(type)))

/* Make room for one more item in a growing array: doubles *cap when count reaches it. */
void *mem_grow(void *items, size_t count, size_t *cap, size_t item_size);

#endif
