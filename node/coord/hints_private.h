/* hints_private.h - what hints.c and hints_mend.c share. */
#ifndef TORC_NODE_COORD_HINTS_PRIVATE_H
#define TORC_NODE_COORD_HINTS_PRIVATE_H

#include "node/coord/hints.h"

#define ORDER_PREFIX ACCOUNT_HINTS "q"
#define PLACE_PREFIX ACCOUNT_HINTS "r"
#define FULL_PREFIX  ACCOUNT_HINTS "f"
#define NAME_MAX     ((size_t)1 << 20)

/* An entry of the order. */
struct hint_entry {
    int64_t since;
    bool any;
    uint32_t size;
    struct bytes place;
};

/* Names of facts; `out` is initialised. */
void hint_order_name(node_no target, uint64_t number, struct buf *out);
void hint_place_name(struct bytes place, struct buf *out);

void hint_entry_put(struct hints *h, node_no target, uint64_t number, const struct hint_entry *e);
bool hint_entry_decode(struct bytes in, struct hint_entry *ret);
bool hint_entry_number(struct bytes name, node_no *ret_target, uint64_t *ret);
bool hint_entry_get(struct hints *h, node_no target, uint64_t number, struct arena *arena,
                    struct hint_entry *ret);
enum err hint_record_get(struct hints *h, struct bytes place, struct arena *arena,
                         struct hint_record *ret);

/* What a place says of its hint. False: it is none. */
bool hint_place_decode(struct bytes in, struct hint_gone *ret);

/* Each fact whose name begins so; those that look() writes or removes are met or not. */
typedef void hint_look(struct hints *h, struct bytes name, struct bytes value);
enum err hint_each_fact(struct hints *h, struct bytes prefix, hint_look *look) MUST_CHECK;

/* --- hints_gone.c: to be said before what is left of it goes. */

/* The hint of this place cannot be read any more. */
void hint_gone(struct hints *h, struct bytes place);
/* There may have been some of which nothing is known; it counts as one. */
void hint_gone_unknown(struct hints *h, bool counts);
enum err hints_gone_load(struct hints *h) MUST_CHECK;

/* Once in a life: what a loss of the store has left of the hints is made whole, and what is gone is
 * counted (hints_mend.c). ERR_IO: later. */
enum err hints_mend(struct hints *h) MUST_CHECK;

#endif
