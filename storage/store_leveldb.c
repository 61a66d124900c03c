/* store_leveldb.c - see store_leveldb.h.
 *
 * Longer than 600 lines: it is the only file that includes LevelDB. */
#include "storage/store_leveldb.h"

#include "base/list.h"
#include "base/mem.h"
#include "storage/log_tail.h"
#include "storage/overlay.h"
#include "storage/spans.h"

#include <fcntl.h>
#include <leveldb/c.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WRITE_BUFFER_DEFAULT ((size_t)4 << 20)
#define CACHE_DEFAULT        ((size_t)4 << 20)
#define FILES_DEFAULT        256
#define BLOOM_BITS           10
#define COMMIT_BYTES_MAX     ((size_t)8 << 20)   /* groups are joined up to this */
#define COMPACT_BYTES        ((uint64_t)8 << 20) /* at a time: it cannot be interrupted */
#define COMPACT_PAUSE_MS     20                  /* for what LevelDB compacts of its own accord */

struct group {
    struct list link;
    struct store_batch batch;
    uint64_t number;
    uint64_t *tickets;
    size_t tickets_count, tickets_cap, tickets_done;
    bool sync_wanted;
    uint64_t last; /* batch in it */
    enum err err;
};

struct store_leveldb {
    struct store store;
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_readoptions_t *read_options;
    enum store_sync sync;
    int wake_fd;
    uint64_t torn;

    /* The loop's. */
    struct overlay overlay;
    struct overlay nothing; /* what a durable iterator looks at instead */
    struct group *filling;
    struct list ready; /* done, tickets not all handed out */
    uint64_t numbers;
    size_t backlog;
    char *failure;
    struct spans asked; /* to be compacted when `asked_after` is durable */
    uint64_t asked_after;

    /* Between the loop and the committer, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list queued;
    struct list done;
    bool stop;
    char *failure_found; /* set once */
    pthread_cond_t compact_work;
    struct spans compact;
    bool compacting;

    /* The committer's. */
    pthread_t committer;
    bool committer_runs;
    uint64_t appends; /* records of journals */
    enum err failed;

    pthread_t compactor; /* begun when there first is anything to do */
    bool compactor_runs;
};

static struct store_leveldb *ldb_of(const struct store *s)
{
    return container_of(s, struct store_leveldb, store);
}

static struct group *group_first(struct list *l)
{
    return container_of(l->next, struct group, link);
}

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

static void list_move_all(struct list *from, struct list *to)
{
    while (!list_empty(from)) {
        struct list *node = from->next;
        list_remove(node);
        list_push_back(to, node);
    }
}

/* LevelDB's C interface gives errors as text only. */
static enum err err_of(const char *text)
{
    if (strstr(text, "No space left") != NULL || strstr(text, "quota exceeded") != NULL)
        return ERR_FULL;
    return strncmp(text, "Corruption", 10) == 0 ? ERR_CORRUPT : ERR_IO;
}

/* --- the committer thread */

/* What is appended to one journal goes into the batch as one put. */
struct journal {
    struct store_leveldb *store;
    struct buf key, value;
};

static void journal_begin(struct journal *j, struct store_leveldb *l)
{
    j->store = l;
    buf_init(&j->key, SIZE_MAX);
    buf_init(&j->value, SIZE_MAX);
}

static void journal_put(struct journal *j, leveldb_writebatch_t *batch)
{
    if (j->value.len == 0)
        return;
    buf_put_u64(&j->key, ++j->store->appends);
    leveldb_writebatch_put(batch, (const char *)j->key.data, j->key.len,
                           (const char *)j->value.data, j->value.len);
    buf_clear(&j->value);
}

static void journal_append(struct journal *j, leveldb_writebatch_t *batch,
                           const struct store_op *op)
{
    if (j->value.len > 0 && !bytes_equal(op->key, buf_bytes(&j->key)))
        journal_put(j, batch);
    if (j->value.len == 0) {
        buf_clear(&j->key);
        buf_put_bytes(&j->key, op->key);
    }
    buf_put_bytes(&j->value, op->value);
}

static void journal_end(struct journal *j, leveldb_writebatch_t *batch)
{
    journal_put(j, batch);
    buf_close(&j->key);
    buf_close(&j->value);
}

/* One WriteBatch of the groups; ret_text is LevelDB's, NULL when it went well. */
static void commit(struct store_leveldb *l, struct list *groups, char **ret_text)
{
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    leveldb_writeoptions_t *options = leveldb_writeoptions_create();
    struct store_op op;
    struct journal journal;
    bool sync = l->sync == STORE_SYNC_BATCH;
    bool wanted = false;
    journal_begin(&journal, l);
    list_each (at, groups) {
        struct group *g = container_of(at, struct group, link);
        size_t next = 0;
        while (store_batch_next(&g->batch, &next, &op)) {
            if (op.type == STORE_PUT)
                leveldb_writebatch_put(batch, (const char *)op.key.data, op.key.len,
                                       (const char *)op.value.data, op.value.len);
            else if (op.type == STORE_DELETE)
                leveldb_writebatch_delete(batch, (const char *)op.key.data, op.key.len);
            else
                journal_append(&journal, batch, &op);
            wanted = true;
        }
        sync = sync || g->sync_wanted;
        wanted = wanted || g->sync_wanted;
    }
    journal_end(&journal, batch);
    leveldb_writeoptions_set_sync(options, sync);
    if (wanted) /* an empty batch with sync brings what was written before to the disk */
        leveldb_write(l->db, options, batch, ret_text);
    leveldb_writeoptions_destroy(options);
    leveldb_writebatch_destroy(batch);
}

/* Take queued groups, up to COMMIT_BYTES_MAX. Called with the lock held. */
static void take_queued(struct store_leveldb *l, struct list *groups)
{
    size_t bytes = 0;
    while (!list_empty(&l->queued) && bytes < COMMIT_BYTES_MAX) {
        struct group *g = group_first(&l->queued);
        bytes += g->batch.ops.len;
        list_remove(&g->link);
        list_push_back(groups, &g->link);
    }
}

static void *committer_main(void *arg)
{
    struct store_leveldb *l = arg;
    uint64_t one = 1;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        struct list groups;
        char *text = NULL;
        list_init(&groups);
        while (list_empty(&l->queued) && !l->stop)
            pthread_cond_wait(&l->work, &l->lock);
        if (list_empty(&l->queued))
            break; /* stopped, and all that was flushed is written */
        take_queued(l, &groups);
        pthread_mutex_unlock(&l->lock);
        if (l->failed == ERR_OK)
            commit(l, &groups, &text);
        if (text != NULL) /* for good: after a failed fsync nobody knows what is on the disk */
            l->failed = err_of(text);
        list_each (at, &groups)
            container_of(at, struct group, link)->err = l->failed;
        pthread_mutex_lock(&l->lock);
        if (text != NULL) {
            l->failure_found = mem_text(text);
            leveldb_free(text);
        }
        list_move_all(&groups, &l->done);
        if (write(l->wake_fd, &one, sizeof one) < 0) {
            /* EAGAIN: the counter is full, so the loop is woken already */
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* --- the compacting thread */

static uint64_t ldb_size(struct store *s, struct bytes from, struct bytes to)
{
    const char *starts[] = {(const char *)from.data}, *ends[] = {(const char *)to.data};
    uint64_t size = 0;
    leveldb_approximate_sizes(ldb_of(s)->db, 1, starts, &from.len, ends, &to.len, &size);
    return size;
}

/* Up to which key of the stretch to go, so that it does not take long. */
static void choose_piece(struct store_leveldb *l, const struct span *s, struct buf *upto)
{
    struct buf middle;
    buf_init(&middle, SIZE_MAX);
    buf_clear(upto);
    buf_put_bytes(upto, buf_bytes(&s->to));
    while (ldb_size(&l->store, buf_bytes(&s->from), buf_bytes(upto)) > COMPACT_BYTES &&
           span_middle(buf_bytes(&s->from), buf_bytes(upto), &middle)) {
        buf_clear(upto);
        buf_put_bytes(upto, buf_bytes(&middle));
    }
    buf_close(&middle);
}

/* Called with the lock held, returns with it. */
static void compact_stretch(struct store_leveldb *l, struct span *s)
{
    struct buf upto;
    bool more = true;
    buf_init(&upto, SIZE_MAX);
    while (more && !l->stop) {
        pthread_mutex_unlock(&l->lock);
        choose_piece(l, s, &upto);
        leveldb_compact_range(l->db, (const char *)s->from.data, s->from.len,
                              (const char *)upto.data, upto.len);
        more = bytes_compare(buf_bytes(&upto), buf_bytes(&s->to)) < 0;
        buf_clear(&s->from);
        buf_put_bytes(&s->from, buf_bytes(&upto));
        (void)poll(NULL, 0, COMPACT_PAUSE_MS);
        pthread_mutex_lock(&l->lock);
    }
    buf_close(&upto);
}

static void *compactor_main(void *arg)
{
    struct store_leveldb *l = arg;
    struct span s;
    span_init(&s);
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        l->compacting = spans_take(&l->compact, &s);
        if (l->compacting)
            compact_stretch(l, &s);
        else
            pthread_cond_wait(&l->compact_work, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    span_close(&s);
    return NULL;
}

/* On the loop: what was asked for goes to the thread once LevelDB has what was written before. */
static void hand_to_compactor(struct store_leveldb *l)
{
    struct span s;
    if (l->asked.count == 0 || l->store.durable < l->asked_after)
        return;
    if (!l->compactor_runs)
        l->compactor_runs = pthread_create(&l->compactor, NULL, compactor_main, l) == 0;
    if (!l->compactor_runs)
        return; /* tried again after the next commit */
    span_init(&s);
    pthread_mutex_lock(&l->lock);
    while (l->compact.count < SPANS_MAX && spans_take(&l->asked, &s))
        (void)spans_add(&l->compact, buf_bytes(&s.from), buf_bytes(&s.to));
    pthread_cond_signal(&l->compact_work);
    pthread_mutex_unlock(&l->lock);
    span_close(&s);
}

static bool ldb_compact(struct store *s, struct bytes from, struct bytes to)
{
    struct store_leveldb *l = ldb_of(s);
    bool room = spans_add(&l->asked, from, to);
    l->asked_after = s->written;
    hand_to_compactor(l);
    return room;
}

bool store_leveldb_compacts(struct store *s)
{
    struct store_leveldb *l = ldb_of(s);
    pthread_mutex_lock(&l->lock);
    bool any = l->asked.count > 0 || l->compact.count > 0 || l->compacting;
    pthread_mutex_unlock(&l->lock);
    return any;
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
        if (op.type != STORE_APPEND)
            overlay_set(&l->overlay, op.key,
                        (struct overlay_entry){g->number, op.type == STORE_PUT, op.value});
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
    list_move_all(&l->done, &done);
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
        if (g->last > l->store.durable)
            l->store.durable = g->last;
    }
    list_move_all(&done, &l->ready);
    hand_to_compactor(l);
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

int store_leveldb_wake_fd(const struct store *s)
{
    return ldb_of(s)->wake_fd;
}

uint64_t store_leveldb_torn(const struct store *s)
{
    return ldb_of(s)->torn;
}

/* --- reading */

static enum err take_error(char *text)
{
    enum err err = err_of(text);
    leveldb_free(text);
    return err;
}

static enum err ldb_get(struct store *s, struct bytes key, struct buf *ret_value)
{
    struct store_leveldb *l = ldb_of(s);
    struct overlay_entry entry;
    size_t len = 0;
    char *text = NULL;
    if (overlay_find(&l->overlay, key, &entry)) {
        if (!entry.is_put)
            return ERR_NOT_FOUND;
        buf_clear(ret_value);
        buf_put_bytes(ret_value, entry.value);
        return buf_finish(ret_value);
    }
    char *value = leveldb_get(l->db, l->read_options, (const char *)key.data, key.len, &len, &text);
    if (text != NULL)
        return take_error(text);
    if (value == NULL)
        return ERR_NOT_FOUND;
    buf_clear(ret_value);
    buf_put(ret_value, value, len);
    leveldb_free(value);
    return buf_finish(ret_value);
}

/* Merges the overlay and LevelDB's iterator. Going forward, both stand at their first key >= the
 * current one; going back, at their last key <= it. Where both have a key, the overlay's counts. */
struct ldb_iter {
    struct store_iter iter;
    struct overlay_iter over;
    leveldb_iterator_t *disk;
    bool back;
    bool valid;
    bool on_over; /* the current entry is the overlay's */
    bool on_disk; /* LevelDB's iterator stands on the current key, too */
    struct buf key;
};

static struct ldb_iter *ldb_iter_of(const struct store_iter *i)
{
    return container_of(i, struct ldb_iter, iter);
}

/* LevelDB shows a batch when its log is synced, not before: durable is what LevelDB has. */
static struct store_iter *ldb_iter_new(struct store *s, bool durable)
{
    struct store_leveldb *l = ldb_of(s);
    struct ldb_iter *i = mem_new(struct ldb_iter);
    overlay_iter_init(&i->over, durable ? &l->nothing : &l->overlay);
    i->disk = leveldb_create_iterator(l->db, l->read_options); /* sees what there is now */
    buf_init(&i->key, SIZE_MAX);
    return &i->iter;
}

static void ldb_iter_free(struct store_iter *iter)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    leveldb_iter_destroy(i->disk);
    overlay_iter_close(&i->over);
    buf_close(&i->key);
    mem_free(i);
}

static struct bytes disk_key(const struct ldb_iter *i)
{
    size_t len;
    const char *key = leveldb_iter_key(i->disk, &len);
    return bytes_make(key, len);
}

static void step_over(struct ldb_iter *i)
{
    if (i->back)
        overlay_iter_prev(&i->over);
    else
        overlay_iter_next(&i->over);
}

static void step_disk(struct ldb_iter *i)
{
    if (i->back)
        leveldb_iter_prev(i->disk);
    else
        leveldb_iter_next(i->disk);
}

/* Choose the nearer of both; step over what the overlay deletes. */
static void settle(struct ldb_iter *i)
{
    for (;;) {
        bool over = i->over.valid;
        bool disk = leveldb_iter_valid(i->disk);
        int c = over && disk ? bytes_compare(overlay_iter_key(&i->over), disk_key(i)) : 0;
        if (i->back)
            c = -c;
        i->on_over = over && (!disk || c <= 0);
        i->on_disk = disk && (!over || c >= 0);
        i->valid = over || disk;
        if (!i->on_over || overlay_iter_entry(&i->over).is_put)
            return;
        step_over(i);
        if (i->on_disk)
            step_disk(i);
    }
}

static void ldb_iter_seek(struct store_iter *iter, struct bytes key)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    i->back = false;
    overlay_iter_seek(&i->over, key);
    leveldb_iter_seek(i->disk, (const char *)key.data, key.len);
    settle(i);
}

static void ldb_iter_seek_last(struct store_iter *iter, struct bytes key)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    i->back = true;
    overlay_iter_seek_last(&i->over, key);
    leveldb_iter_seek(i->disk, (const char *)key.data, key.len);
    if (leveldb_iter_valid(i->disk))
        leveldb_iter_prev(i->disk);
    else
        leveldb_iter_seek_to_last(i->disk);
    settle(i);
}

static struct bytes ldb_iter_key(const struct store_iter *iter)
{
    const struct ldb_iter *i = ldb_iter_of(iter);
    ASSERT(i->valid);
    return i->on_over ? overlay_iter_key(&i->over) : disk_key(i);
}

static struct bytes ldb_iter_value(const struct store_iter *iter)
{
    const struct ldb_iter *i = ldb_iter_of(iter);
    size_t len;
    ASSERT(i->valid);
    if (i->on_over)
        return overlay_iter_entry(&i->over).value;
    const char *value = leveldb_iter_value(i->disk, &len);
    return bytes_make(value, len);
}

/* Away from the current key, in the direction that both already go. */
static void step(struct ldb_iter *i)
{
    bool over = i->on_over;
    bool disk = i->on_disk;
    if (over)
        step_over(i);
    if (disk)
        step_disk(i);
    settle(i);
}

static void keep_key(struct ldb_iter *i)
{
    struct bytes key = ldb_iter_key(&i->iter);
    buf_clear(&i->key);
    buf_put_bytes(&i->key, key);
}

static void ldb_iter_next(struct store_iter *iter)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    ASSERT(i->valid);
    if (i->back) { /* turn round: both must come to stand behind the current key */
        keep_key(i);
        buf_put_u8(&i->key, 0);
        ldb_iter_seek(iter, buf_bytes(&i->key));
        return;
    }
    step(i);
}

static void ldb_iter_prev(struct store_iter *iter)
{
    struct ldb_iter *i = ldb_iter_of(iter);
    ASSERT(i->valid);
    if (!i->back) {
        keep_key(i);
        ldb_iter_seek_last(iter, buf_bytes(&i->key));
        return;
    }
    step(i);
}

static bool ldb_iter_valid(const struct store_iter *iter)
{
    return ldb_iter_of(iter)->valid;
}

static enum err ldb_iter_error(const struct store_iter *iter)
{
    char *text = NULL;
    leveldb_iter_get_error(ldb_iter_of(iter)->disk, &text);
    return text != NULL ? take_error(text) : ERR_OK;
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
    if (l->db != NULL)
        leveldb_close(l->db);
    leveldb_readoptions_destroy(l->read_options);
    leveldb_options_destroy(l->options);
    leveldb_cache_destroy(l->cache);
    leveldb_filterpolicy_destroy(l->filter);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->compact_work);
    pthread_mutex_destroy(&l->lock);
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
    return errmsg_set(reterr, err_of(text), "open store: %s: %s", path, text);
}

static void set_options(struct store_leveldb *l, const struct store_leveldb_config *config)
{
    l->cache =
        leveldb_cache_create_lru(config->cache_bytes > 0 ? config->cache_bytes : CACHE_DEFAULT);
    l->filter = leveldb_filterpolicy_create_bloom(BLOOM_BITS);
    l->options = leveldb_options_create();
    leveldb_options_set_create_if_missing(l->options, 1);
    leveldb_options_set_paranoid_checks(l->options, 1);
    leveldb_options_set_compression(l->options, leveldb_snappy_compression);
    leveldb_options_set_filter_policy(l->options, l->filter);
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
static bool sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

/* Opens the database; all that it then has is durable. */
static enum err open_database(struct store_leveldb *l, const char *path, struct errmsg *reterr)
{
    char *text = NULL;
    enum err err = ERR_OK;
    l->db = leveldb_open(l->options, path, &text);
    if (text != NULL && err_of(text) == ERR_CORRUPT &&
        log_tails_cut(path, l->sync == STORE_SYNC_PERIODIC, &l->torn) == ERR_OK && l->torn > 0) {
        leveldb_free(text);
        text = NULL;
        l->db = leveldb_open(l->options, path, &text);
    }
    if (text != NULL) {
        err = open_error(path, text, reterr);
        leveldb_free(text);
    } else if (!sync_directory(path)) {
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
    set_options(l, config);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0)
        err = errmsg_set(reterr, ERR_IO, "open store: cannot make an event descriptor");
    if (err == ERR_OK)
        err = open_database(l, config->path, reterr);
    if (err == ERR_OK && pthread_create(&l->committer, NULL, committer_main, l) != 0)
        err = errmsg_set(reterr, ERR_IO, "open store: cannot start a thread");
    l->committer_runs = err == ERR_OK;
    if (err != ERR_OK) {
        ldb_close(&l->store);
        return err;
    }
    *ret_store = &l->store;
    return ERR_OK;
}
