/* log_tail.h - the end of LevelDB's logs after a power cut.
 *
 * LevelDB writes a record, then syncs it. When the power goes between, a file system may leave of
 * the record a beginning, which LevelDB takes for the end of the log, or the right length with
 * pages of zeros or of something older, which it takes for damage: with paranoid checks, which the
 * store wants, it does not open. The two can be told apart: a batch is synced before the next is
 * written, so a bad record that no other follows was promised to nobody and can be cut off. A bad
 * record that others follow is damage.
 */
#ifndef TORC_STORAGE_LOG_TAIL_H
#define TORC_STORAGE_LOG_TAIL_H

#include "base/err.h"
#include "base/types.h"

/* Cut an unfinished record off the newest log that is not empty and off the manifest of the
 * database in `path`, which is not open. all_logs: records were written without a sync in between,
 * so every log may end badly, and what follows a bad record in it is cut off, too. *ret_bytes: how
 * many; 0: there was nothing to cut. ERR_CORRUPT when there is damage, ERR_IO; then nothing of that
 * file has been changed. */
enum err log_tails_cut(const char *path, bool all_logs, uint64_t *ret_bytes) MUST_CHECK;

#endif
