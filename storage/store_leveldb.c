/* store_leveldb.c - see store_leveldb.h. */
#include "base/mem.h"
#include "storage/leveldb_files.h"
#include "storage/log_tail.h"
#include "storage/store_leveldb_private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WRITE_BUFFER_DEFAULT ((size_t)4 << 20)
#define CACHE_DEFAULT        ((size_t)4 << 20)
#define FILES_DEFAULT        256
#define BLOOM_BITS           10
#define WALK_MANY            1024u /* a seek in a store of seven levels compares some hundred */

static void group_free(struct group *g)
{
    list_remove(&g->link);
    store_batch_close(&g->batch);
    mem_free(g->tickets);
    mem_free(g);
}

static void groups_free(struct list *l)
{
    while (!list_empty(l))
        group_free(group_first(l));
}

void ldb_move_all(struct list *from, struct list *to)
{
    while (!list_empty(from)) {
        struct list *node = from->next;
        list_remove(node);
        list_push_back(to, node);
    }
}

enum err ldb_err_of(const char *text)
{
    if (strstr(text, "No space left") != NULL || strstr(text, "quota exceeded") != NULL)
        return ERR_FULL;
    return strncmp(text, "Corruption", 10) == 0 ? ERR_CORRUPT : ERR_IO;
}

/* --- writing, on the loop */

static struct group *filling(struct store_leveldb *l)
{
    if (l->filling == NULL) {
        l->filling = mem_new(struct group);
        list_init(&l->filling->link);
        store_batch_init(&l->filling->batch);
        l->filling->batch.ops.max = SIZE_MAX; /* backlog says when it is long */
        l->filling->number = ++l->numbers;
    }
    return l->filling;
}

static void ldb_write(struct store *s, const struct store_batch *b, uint64_t ticket)
{
    struct store_leveldb *l = ldb_of(s);
    struct group *g = filling(l);
    struct store_op op;
    size_t at = 0;
    if (ticket != 0) {
        g->tickets = mem_grow(g->tickets, g->tickets_count, &g->tickets_cap, sizeof *g->tickets);
        g->tickets[g->tickets_count++] = ticket;
    }
    if (l->failure != NULL)
        return; /* the ticket will say so */
    g->last = s->written;
    buf_put_bytes(&g->batch.ops, buf_bytes(&b->ops));
    g->batch.count += b->count;
    l->backlog += b->ops.len;
    while (store_batch_next(b, &at, &op)) {
        if (op.type == STORE_APPEND)
            continue;
        overlay_set(&l->overlay, op.key,
                    (struct overlay_entry){g->number, op.type == STORE_PUT, op.value});
        if (op.type == STORE_PUT)
            gaps_cut(&l->gaps, op.key);
    }
}

static void ldb_flush(struct store *s)
{
    struct store_leveldb *l = ldb_of(s);
    if (l->filling == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    list_push_back(&l->queued, &l->filling->link);
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->lock);
    l->filling = NULL;
}

void store_leveldb_sync(struct store *s)
{
    filling(ldb_of(s))->sync_wanted = true;
    ldb_flush(s);
}

/* What the group wrote is in LevelDB now. */
static void leave_overlay(struct store_leveldb *l, const struct group *g)
{
    struct store_op op;
    struct overlay_entry entry;
    size_t at = 0;
    while (store_batch_next(&g->batch, &at, &op)) {
        if (op.type != STORE_APPEND && overlay_find(&l->overlay, op.key, &entry) &&
            entry.group == g->number)
            overlay_remove(&l->overlay, op.key);
    }
}

static void collect_done(struct store_leveldb *l)
{
    struct list done;
    uint64_t count;
    list_init(&done);
    pthread_mutex_lock(&l->lock);
    ldb_move_all(&l->done, &done);
    if (l->failure == NULL && l->failure_found != NULL)
        l->failure = mem_text(l->failure_found);
    pthread_mutex_unlock(&l->lock);
    if (list_empty(&done))
        return;
    if (read(l->wake_fd, &count, sizeof count) < 0) {
        /* EAGAIN: these groups were taken before the committer woke us; it will, for nothing */
    }
    list_each (at, &done) {
        struct group *g = container_of(at, struct group, link);
        l->backlog -= g->batch.ops.len;
        if (g->err != ERR_OK) /* it stays readable: it may or may not be on the disk */
            continue;
        leave_overlay(l, g);
        l->collected++;
        if (g->last > l->store.durable)
            l->store.durable = g->last;
    }
    ldb_move_all(&done, &l->ready);
    ldb_hand_to_compactor(l);
}

static bool ldb_completed(struct store *s, struct store_done *ret_done)
{
    struct store_leveldb *l = ldb_of(s);
    if (list_empty(&l->ready))
        collect_done(l);
    while (!list_empty(&l->ready)) {
        struct group *g = group_first(&l->ready);
        if (g->tickets_done < g->tickets_count) {
            *ret_done = (struct store_done){g->tickets[g->tickets_done++], g->err};
            return true;
        }
        group_free(g);
        if (list_empty(&l->ready))
            collect_done(l);
    }
    return false;
}

static const char *ldb_failure(const struct store *s)
{
    return ldb_of(s)->failure;
}

static size_t ldb_backlog(const struct store *s)
{
    return ldb_of(s)->backlog;
}

static enum err ldb_check_disk(struct store *s, struct bytes from, struct bytes to,
                               struct buf *ret_next, uint64_t *bytes)
{
    struct ldb_check *c = &ldb_of(s)->check;
    uint64_t before = c->bytes_read;
    enum err err = ldb_check_keys(c, from, to, ret_next);
    *bytes += c->bytes_read - before;
    return err;
}

static const struct lost_keys *ldb_lost(const struct store *s)
{
    return &ldb_of(s)->lost;
}

/* When it cannot be written it is told again. */
static void ldb_lost_known(struct store *s)
{
    lost_forget(&ldb_of(s)->lost);
    (void)!ldb_write_lost(ldb_of(s)->path, &ldb_of(s)->lost);
}

bool store_leveldb_mended(const struct store *s)
{
    return ldb_of(s)->mended;
}

int store_leveldb_wake_fd(const struct store *s)
{
    return ldb_of(s)->wake_fd;
}

uint64_t store_leveldb_torn(const struct store *s)
{
    return ldb_of(s)->torn;
}

/* --- opening and closing */

static void ldb_close(struct store *s)
{
    struct store_leveldb *l = ldb_of(s);
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_signal(&l->work);
    pthread_cond_signal(&l->compact_work);
    pthread_mutex_unlock(&l->lock);
    if (l->committer_runs)
        pthread_join(l->committer, NULL);
    if (l->compactor_runs)
        pthread_join(l->compactor, NULL);
    if (l->filling != NULL)
        group_free(l->filling);
    groups_free(&l->queued);
    groups_free(&l->done);
    groups_free(&l->ready);
    overlay_close(&l->overlay);
    overlay_close(&l->nothing);
    spans_close(&l->asked);
    spans_close(&l->compact);
    gaps_close(&l->gaps);
    if (l->db != NULL)
        leveldb_close(l->db);
    leveldb_readoptions_destroy(l->read_options);
    leveldb_options_destroy(l->options);
    leveldb_cache_destroy(l->cache);
    leveldb_filterpolicy_destroy(l->filter);
    leveldb_comparator_destroy(l->order);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->compact_work);
    pthread_mutex_destroy(&l->lock);
    lost_close(&l->lost);
    ldb_check_close(&l->check);
    mem_free(l->path);
    mem_free(l->failure);
    mem_free(l->failure_found);
    mem_free(l);
}

static const struct store_ops ldb_ops = {
    .get = ldb_get,
    .iter_new = ldb_iter_new,
    .iter_free = ldb_iter_free,
    .iter_seek = ldb_iter_seek,
    .iter_seek_last = ldb_iter_seek_last,
    .iter_next = ldb_iter_next,
    .iter_prev = ldb_iter_prev,
    .iter_valid = ldb_iter_valid,
    .iter_key = ldb_iter_key,
    .iter_value = ldb_iter_value,
    .iter_error = ldb_iter_error,
    .write = ldb_write,
    .flush = ldb_flush,
    .completed = ldb_completed,
    .failure = ldb_failure,
    .backlog = ldb_backlog,
    .size = ldb_size,
    .compact = ldb_compact,
    .check = ldb_check_disk,
    .lost = ldb_lost,
    .lost_known = ldb_lost_known,
    .close = ldb_close,
};

static enum err open_error(const char *path, const char *text, struct errmsg *reterr)
{
    if (strstr(text, "Resource temporarily unavailable") != NULL ||
        strstr(text, "already held by process") != NULL)
        return errmsg_set(reterr, ERR_CONFIG, "open store: %s: in use by another process", path);
    if (strstr(text, "Permission denied") != NULL)
        return errmsg_set(reterr, ERR_CONFIG, "open store: %s: no permission to read and write",
                          path);
    if (strstr(text, "Not a directory") != NULL || strstr(text, "No such file") != NULL)
        return errmsg_set(reterr, ERR_CONFIG, "open store: %s: no such directory", path);
    return errmsg_set(reterr, ldb_err_of(text), "open store: %s: %s", path, text);
}

static void set_options(struct store_leveldb *l, const struct store_leveldb_config *config)
{
    l->cache =
        leveldb_cache_create_lru(config->cache_bytes > 0 ? config->cache_bytes : CACHE_DEFAULT);
    l->filter = leveldb_filterpolicy_create_bloom(BLOOM_BITS);
    l->order = ldb_order_new();
    l->options = leveldb_options_create();
    leveldb_options_set_create_if_missing(l->options, 1);
    leveldb_options_set_paranoid_checks(l->options, 1);
    leveldb_options_set_compression(l->options, leveldb_snappy_compression);
    leveldb_options_set_filter_policy(l->options, l->filter);
    leveldb_options_set_comparator(l->options, l->order);
    leveldb_options_set_cache(l->options, l->cache);
    leveldb_options_set_write_buffer_size(l->options, config->write_buffer_bytes > 0
                                                          ? config->write_buffer_bytes
                                                          : WRITE_BUFFER_DEFAULT);
    leveldb_options_set_max_open_files(l->options,
                                       config->files_max > 0 ? config->files_max : FILES_DEFAULT);
    l->read_options = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(l->read_options, 1);
}

/* LevelDB brings what it found into tables and renames CURRENT to a manifest that has them, but
 * does not sync the directory: a power cut could bring the old manifest back, with logs that never
 * were synced when their writer was killed. What we have read from them must not go again. */
bool ldb_sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

/* LevelDB's own opening; what a power cut left at the end of a log is cut off first, if it must. */
static char *try_open(struct store_leveldb *l, const char *path)
{
    char *text = NULL;
    l->db = leveldb_open(l->options, path, &text);
    if (text != NULL && ldb_err_of(text) == ERR_CORRUPT &&
        log_tails_cut(path, l->sync == STORE_SYNC_PERIODIC, &l->torn) == ERR_OK && l->torn > 0) {
        leveldb_free(text);
        text = NULL;
        l->db = leveldb_open(l->options, path, &text);
    }
    return text;
}

/* Opens the database; all that it then has is durable. */
static enum err open_database(struct store_leveldb *l, const struct store_leveldb_config *config,
                              struct errmsg *reterr)
{
    const char *path = config->path;
    char *text = NULL;
    enum err err = ldb_read_lost(path, &l->lost);
    if (err != ERR_OK) /* what is lost is not known any more */
        return errmsg_set(reterr, err, "open store: %s/DAMAGE cannot be read: %s", path,
                          err_text(err));
    if (config->mend || ldb_has_lost_current(path))
        err = ldb_mend(path, &l->lost, &l->mended, reterr);
    if (err == ERR_OK)
        err = ldb_check_named(path, reterr);
    if (err != ERR_OK)
        return err;
    text = try_open(l, path);
    if (text != NULL && ldb_err_of(text) == ERR_CORRUPT && !config->mend) {
        struct errmsg why = {""};
        if (ldb_mend(path, &l->lost, &l->mended, &why) == ERR_OK && l->mended) {
            leveldb_free(text);
            text = try_open(l, path);
        }
    }
    if (text != NULL) {
        err = open_error(path, text, reterr);
        leveldb_free(text);
    } else if (!ldb_sync_directory(path)) {
        err = errmsg_set(reterr, ERR_IO, "open store: %s: cannot sync the directory", path);
    }
    return err;
}

enum err store_leveldb_open(const struct store_leveldb_config *config, struct store **ret_store,
                            struct errmsg *reterr)
{
    struct store_leveldb *l = mem_new(struct store_leveldb);
    enum err err = ERR_OK;
    l->store.ops = &ldb_ops;
    l->sync = config->sync;
    l->path = mem_text(config->path);
    ldb_check_init(&l->check, l->path);
    overlay_init(&l->overlay);
    overlay_init(&l->nothing);
    list_init(&l->ready);
    list_init(&l->queued);
    list_init(&l->done);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->compact_work, NULL);
    spans_init(&l->asked);
    spans_init(&l->compact);
    gaps_init(&l->gaps);
    l->many = config->walk_many > 0 ? config->walk_many : WALK_MANY;
    set_options(l, config);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0)
        err = errmsg_set(reterr, ERR_IO, "open store: cannot make an event descriptor");
    if (err == ERR_OK)
        err = open_database(l, config, reterr);
    if (err == ERR_OK && pthread_create(&l->committer, NULL, ldb_committer_main, l) != 0)
        err = errmsg_set(reterr, ERR_IO, "open store: cannot start a thread");
    l->committer_runs = err == ERR_OK;
    if (err != ERR_OK) {
        ldb_close(&l->store);
        return err;
    }
    *ret_store = &l->store;
    return ERR_OK;
}
