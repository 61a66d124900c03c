/* edit.h - the shell at a terminal: libedit with history and completion. */
#ifndef TORC_CLI_EDIT_H
#define TORC_CLI_EDIT_H

#include "cli/session.h"

/* Read statements from the terminal until the user leaves. */
void edit_run(struct session *s);

#endif
