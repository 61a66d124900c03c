/* list.h - an intrusive doubly linked list. The head is a node too; an initialised empty list
 * points at itself. A node is in at most one list. */
#ifndef TORC_BASE_LIST_H
#define TORC_BASE_LIST_H

#include "base/types.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert(struct list *before, struct list *node)
{
    node->next = before;
    node->prev = before->prev;
    before->prev->next = node;
    before->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert(head->next, node);
}

/* Take out of whatever list it is in; the node is then an empty list, so twice is harmless. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_each(at, head) for (struct list *at = (head)->next; at != (head); at = at->next)
#define list_each_safe(at, after, head)                                                            \
    for (struct list *at = (head)->next, *after = at->next; at != (head);                          \
         at = after, after = at->next)

#endif
