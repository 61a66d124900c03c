/* engine_fixture.h - an engine over a store, one table of one range. */
#ifndef TORC_TESTS_UNIT_STORAGE_ENGINE_FIXTURE_H
#define TORC_TESTS_UNIT_STORAGE_ENGINE_FIXTURE_H

#include "storage/engine.h"

#define KEYSPACE 4
#define RANGE    9
#define TABLE    7

enum err open_engine(struct store *s, struct engine **ret);
void sync_all(struct store *s); /* everything becomes durable */
struct scan whole_table(void);
struct part one_row(struct arena *arena, const char *row, int64_t timestamp, struct dot dot);

#endif
