/* mem, arena, list and err. */
#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void mem_zeroed_copied_grown(void)
{
    uint8_t *p = mem_alloc(100);
    for (size_t i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(p[i], 0);
    mem_free(p);
    p = mem_alloc(0);
    CU_ASSERT_PTR_NOT_NULL(p);
    mem_free(p);
    mem_free(mem_copy(NULL, 0));
    mem_free(NULL);
    char *text = mem_text("abc");
    CU_ASSERT_STRING_EQUAL(text, "abc");
    mem_free(text);
    size_t cap = 0;
    int *items = NULL;
    for (size_t i = 0; i < 1000; i++) {
        items = mem_grow(items, i, &cap, sizeof *items);
        items[i] = (int)i;
    }
    CU_ASSERT_EQUAL(items[0] + items[999], 999);
    CU_ASSERT_TRUE(cap >= 1000 && cap <= 2048);
    mem_free(items);
}

static void arena_aligns_and_keeps_apart(void)
{
    struct arena a = {0};
    uint8_t *parts[500];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        parts[i] = arena_alloc(&a, i);
        CU_ASSERT_EQUAL((uintptr_t)parts[i] % _Alignof(max_align_t), 0);
        memset(parts[i], (int)(i & 0xff), i);
    }
    for (size_t i = 1; i < ARRAY_LEN(parts); i++)
        CU_ASSERT_TRUE(parts[i][0] == (i & 0xff) && parts[i][i - 1] == (i & 0xff));
    CU_ASSERT_TRUE(arena_used(&a) >= 499 * 500 / 2);
    arena_close(&a);
    arena_close(&a);
}

static void arena_reset_keeps_the_largest_block(void)
{
    struct arena a;
    arena_init(&a);
    arena_reset(&a); /* of an empty one */
    for (int i = 0; i < 100; i++)
        (void)arena_alloc(&a, 1000);
    arena_reset(&a);
    CU_ASSERT_EQUAL(arena_used(&a), 0);
    const struct arena_block *kept = a.head;
    CU_ASSERT_PTR_NOT_NULL(kept);
    (void)arena_alloc(&a, 30000); /* fits into what was kept */
    CU_ASSERT_PTR_EQUAL(a.head, kept);
    (void)arena_alloc(&a, (size_t)8 << 20);
    arena_reset(&a); /* one huge request does not pin its memory */
    CU_ASSERT_PTR_NULL(a.head);
    arena_close(&a);
}

static void arena_texts(void)
{
    struct arena a = {0};
    char big[9000];
    CU_ASSERT_STRING_EQUAL(arena_text(&a, BYTES_LIT("ab")), "ab");
    CU_ASSERT_STRING_EQUAL(arena_text(&a, BYTES_NONE), "");
    CU_ASSERT_TRUE(bytes_equal_text(arena_copy(&a, BYTES_LIT("cd")), "cd"));
    CU_ASSERT_EQUAL(arena_copy(&a, BYTES_NONE).len, 0);
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    CU_ASSERT_STRING_EQUAL(arena_printf(&a, "%s", big), big);
    size_t cap = 0;
    int *items = NULL;
    for (size_t i = 0; i < 100; i++) {
        items = arena_grow(&a, items, i, &cap, sizeof *items);
        items[i] = (int)i;
    }
    CU_ASSERT_EQUAL(items[7] + items[99], 106);
    int *zeroed = arena_array(&a, int, 50);
    CU_ASSERT_EQUAL(zeroed[49], 0);
    arena_close(&a);
}

struct thing {
    int number;
    struct list node;
};

static int digits(struct list *head)
{
    int n = 0;
    list_each (at, head)
        n = n * 10 + container_of(at, struct thing, node)->number;
    return n;
}

static void list_order_and_removal(void)
{
    struct list head;
    struct thing things[5];
    list_init(&head);
    CU_ASSERT_TRUE(list_empty(&head));
    for (int i = 0; i < 5; i++)
        things[i].number = i + 1;
    list_push_back(&head, &things[1].node);
    list_push_back(&head, &things[2].node);
    list_push_front(&head, &things[0].node);
    list_insert(&things[2].node, &things[4].node);
    CU_ASSERT_EQUAL(digits(&head), 1253);
    list_remove(&things[4].node);
    list_remove(&things[4].node); /* twice is harmless */
    CU_ASSERT_EQUAL(digits(&head), 123);
    list_each_safe (at, after, &head) {
        if (container_of(at, struct thing, node)->number != 2)
            list_remove(at);
    }
    CU_ASSERT_EQUAL(digits(&head), 2);
    list_remove(&things[1].node);
    CU_ASSERT_TRUE(list_empty(&head));
}

static void errors_have_texts(void)
{
    for (int i = 0; i < ERR_COUNT; i++)
        CU_ASSERT_STRING_NOT_EQUAL(err_text((enum err)i), "unknown error");
    CU_ASSERT_STRING_EQUAL(err_text((enum err)999), "unknown error");
    /* The numbers travel between nodes. */
    CU_ASSERT_EQUAL(ERR_OK, 0);
    CU_ASSERT_EQUAL(ERR_TIMEOUT, 8);
    CU_ASSERT_EQUAL(ERR_REFUSED, 18);
}

static void messages_are_wrapped_outward(void)
{
    struct errmsg m;
    char big[2 * ERRMSG_SIZE];
    CU_ASSERT_EQUAL(errmsg_set(&m, ERR_IO, "lock %s", "held"), ERR_IO);
    errmsg_wrap(&m, "/data/%d", 3);
    errmsg_wrap(&m, "open store");
    CU_ASSERT_STRING_EQUAL(m.text, "open store: /data/3: lock held");
    CU_ASSERT_EQUAL(errmsg_set(NULL, ERR_FULL, "nobody reads this"), ERR_FULL);
    errmsg_wrap(NULL, "nor this");
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    errmsg_wrap(&m, "%s", big); /* cut, never overrun */
    CU_ASSERT_EQUAL(strlen(m.text), ERRMSG_SIZE - 1);
    (void)errmsg_set(&m, ERR_IO, "%s", big);
    errmsg_wrap(&m, "p");
    CU_ASSERT_EQUAL(strlen(m.text), ERRMSG_SIZE - 1);
    CU_ASSERT_EQUAL(strncmp(m.text, "p: xxx", 6), 0);
}

CU_TestInfo memory_tests[] = {
    {"mem: zeroed, copied, grown", mem_zeroed_copied_grown},
    {"arena aligns and keeps apart", arena_aligns_and_keeps_apart},
    {"arena_reset keeps the largest block", arena_reset_keeps_the_largest_block},
    {"arena texts", arena_texts},
    {"list: order and removal", list_order_and_removal},
    {"errors have texts", errors_have_texts},
    {"messages are wrapped outward", messages_are_wrapped_outward},
    CU_TEST_INFO_NULL,
};
