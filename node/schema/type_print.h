/* type_print.h - what type.c and type_parse.c share. Private to this folder. */
#ifndef TORC_NODE_SCHEMA_TYPE_PRINT_H
#define TORC_NODE_SCHEMA_TYPE_PRINT_H

#include "base/buf.h"

/* The name of a user-defined type, quoted also when it is that of a native one. */
void type_print_udt(const char *name, struct buf *out);

#endif
