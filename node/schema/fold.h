/* fold.h - texts as an index with `case_sensitive`, `normalize` or `ascii` compares them.
 *
 * Latin, Greek and Cyrillic letters are known; all else passes unchanged. Tables are our own and do
 * not depend on a locale: every node must come to the same term, for ever.
 */
#ifndef TORC_NODE_SCHEMA_FOLD_H
#define TORC_NODE_SCHEMA_FOLD_H

#include "base/arena.h"
#include "base/bytes.h"

struct fold {
    bool lower;     /* to lower case */
    bool normalize; /* a letter and the accent after it become one character (NFC) */
    bool ascii;     /* letters with accents and ligatures become plain ASCII letters */
};

/* The text folded; in the arena, or the text itself when it is no UTF-8. */
struct bytes fold_text(struct bytes text, const struct fold *how, struct arena *a);

#endif
