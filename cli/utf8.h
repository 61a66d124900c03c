/* utf8.h - characters of a text and the columns they take on a terminal. */
#ifndef TORC_CLI_UTF8_H
#define TORC_CLI_UTF8_H

#include "base/bytes.h"

/* Length of the character at `at`, and its number; 0 when the bytes there are no UTF-8. */
size_t utf8_next(struct bytes text, size_t at, uint32_t *ret_char);

/* Columns on a terminal: 2 for wide ones (East Asian, emoji), 0 for combining marks. */
size_t utf8_width(struct bytes text);

#endif
