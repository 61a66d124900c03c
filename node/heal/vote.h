/* vote.h - two replicas have rows otherwise though their clocks are equal: what most replicas have
 * wins; inside of sessions by trees (compare.h). docs/healing.md, "A damaged replica does not win",
 * has the argument.
 *
 * The initiator of the session has what the peer told of its list in hand, and takes and gives
 * nothing yet:
 *
 *   VOTING --all living replicas have told what they show--> decided --> replaced, joined, given
 *      |  of 1024 rows at a time                                ^
 *      |  some have no majority: their rows from all -----------+
 *      +-- a row was touched since the cut, a clock does not cover it --> the question is put again
 *
 * More than half of all replicas (dead ones count as having nothing to say) show the same: of the
 * two of this session who shows something else replaces its row. Where neither does, or there is no
 * majority, all that was told is joined at both. A deletion that one has beyond the others is left
 * where it is, and goes nowhere: they may have dropped it.
 *
 * Invariants: nothing is replaced that is not, at that moment, what was voted about, untouched by
 * dots beyond the cut; what it was is kept (vote_keep.c) before. A preview asks nobody. One
 * question is out at a time, to all of them.
 */
#ifndef TORC_NODE_HEAL_VOTE_H
#define TORC_NODE_HEAL_VOTE_H

#include "node/heal/compare.h"

#define VOTE_PAGE       1024u               /* rows in a question */
#define VOTE_PAGE_ROWS  64u                 /* ... for the rows themselves */
#define VOTE_PLACES_MAX ((size_t)256 << 10) /* bytes of places in a message, about */
#define VOTE_LOOK_MAX   ((size_t)8 << 20)
#define VOTE_TRIES      3u /* with the same cut */

struct vote_row {
    table_no table;
    struct bytes place;
    uint64_t own, theirs; /* what is shown here and at the peer; 0: nothing */
    unsigned owns, their; /* replicas that show this */
    bool others;          /* one shows a third thing */
    int64_t dropped;      /* what all that show nothing may have dropped is not above this */
    bool touched;
    enum { VOTE_ALIKE, VOTE_JOIN, VOTE_HERE, VOTE_THERE, VOTE_LEFT } lost; /* who replaces */
    struct part own_part, their_part;
    bool is_theirs; /* the peer has it; and here */
    bool is_own;
};

struct voter {
    node_no node;
    bool waits, absent;
    uint64_t *shown;  /* of the page */
    int64_t *dropped; /* where nothing is shown */
    bool *touched;
    size_t count;
};

struct voting {
    struct heal_figures figures; /* before what was told was counted */
    struct heal_table *tables;
    size_t different_count;
    struct compare_answer *answers;
    size_t answered;
    struct vote_row *rows; /* by table and place; the first `asked` are asked about */
    size_t rows_count, rows_cap;
    size_t *asked; /* which are: those that are not alike; then: those that are joined of all */
    size_t asked_count, at, page;
    bool wants_rows;
    uint64_t request;
    struct voter voters[AGREE_SET_MAX];
    size_t voters_count, replicas;
    struct buf more; /* rows of voters, where there is no majority */
};

struct voting *vote_new(struct comparing *s);
void vote_over(struct comparing *s);

/* The peer told these rows; s->give has what it wants. s->vote is set when others are to be asked
 * (vote_ask), else all is joined. */
enum err vote_prepare(struct heal *h, struct comparing *s, struct voting *v, struct bytes rows,
                      struct compare_answer *answers, size_t answered) MUST_CHECK;
void vote_ask(struct heal *h, struct now now, struct comparing *s);
void vote_receive(struct heal *h, struct now now, node_no from, const struct wire_compare_voted *m);
void vote_peer_lost(struct heal *h, struct now now, struct comparing *s, node_no peer);

/* --- vote_serve.c */
void serve_vote(struct heal *h, node_no from, const struct wire_compare_vote *m);
/* ERR_BEHIND: it is not what was voted about. */
enum err serve_replaced(struct heal *h, const struct wire_compare_give *m, node_no from,
                        const struct compare_range *r, struct arena *arena, uint64_t ticket,
                        struct tree_taken *ret) MUST_CHECK;

/* --- vote_keep.c */
struct vote_difference {
    table_no table;
    struct bytes place;
    const struct part *had, *won; /* NULL: nothing */
};
/* Kept as facts, before what is replaced goes; and told. */
void vote_keep(struct heal *h, const struct compare_range *r, node_no peer, int64_t at_s,
               const struct vote_difference *list, size_t count);

#endif
