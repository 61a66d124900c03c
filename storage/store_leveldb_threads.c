/* store_leveldb_threads.c - what the store does beside the loop: it commits, and it compacts. */
#include "base/mem.h"
#include "storage/store_leveldb_private.h"

#include <poll.h>
#include <unistd.h>

#define COMMIT_BYTES_MAX ((size_t)8 << 20)   /* groups are joined up to this */
#define COMPACT_BYTES    ((uint64_t)8 << 20) /* at a time: it cannot be interrupted */
#define COMPACT_PAUSE_MS 20                  /* for what LevelDB compacts of its own accord */

/* --- the committer thread */

static void put(leveldb_writebatch_t *batch, struct bytes key, struct bytes value)
{
    leveldb_writebatch_put(batch, (const char *)key.data, key.len, (const char *)value.data,
                           value.len);
}

/* What is appended in one epoch goes into the batch as one put. */
struct record {
    struct store_journal *journal;
    struct buf key, value; /* empty: none is begun */
};

static void record_put(struct record *r, leveldb_writebatch_t *batch)
{
    if (r->value.len > 0)
        put(batch, buf_bytes(&r->key), buf_bytes(&r->value));
    buf_clear(&r->value);
}

static void record_append(struct record *r, leveldb_writebatch_t *batch, const struct store_op *op)
{
    if (op->epoch != r->journal->epoch)
        record_put(r, batch);
    if (r->value.len == 0)
        store_journal_begin(r->journal, op->epoch, &r->key, &r->value);
    buf_put_bytes(&r->value, op->value);
}

/* One WriteBatch of the groups; ret_text is LevelDB's, NULL when it went well. */
static void commit(struct store_leveldb *l, struct list *groups, char **ret_text)
{
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    leveldb_writeoptions_t *options = leveldb_writeoptions_create();
    struct store_op op;
    struct record record = {.journal = &l->journal};
    bool sync = l->sync == STORE_SYNC_BATCH;
    bool wanted = false;
    buf_init(&record.key, SIZE_MAX);
    buf_init(&record.value, SIZE_MAX);
    list_each (at, groups) {
        struct group *g = container_of(at, struct group, link);
        size_t next = 0;
        while (store_batch_next(&g->batch, &next, &op)) {
            if (op.type == STORE_PUT)
                put(batch, op.key, op.value);
            else if (op.type == STORE_DELETE)
                leveldb_writebatch_delete(batch, (const char *)op.key.data, op.key.len);
            else
                record_append(&record, batch, &op);
            wanted = true;
        }
        sync = sync || g->sync_wanted;
        wanted = wanted || g->sync_wanted;
    }
    record_put(&record, batch);
    buf_close(&record.key);
    buf_close(&record.value);
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

void *ldb_committer_main(void *arg)
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
            l->failed = ldb_err_of(text);
        list_each (at, &groups)
            container_of(at, struct group, link)->err = l->failed;
        pthread_mutex_lock(&l->lock);
        if (text != NULL) {
            l->failure_found = mem_text(text);
            leveldb_free(text);
        }
        ldb_move_all(&groups, &l->done);
        if (write(l->wake_fd, &one, sizeof one) < 0) {
            /* EAGAIN: the counter is full, so the loop is woken already */
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* --- the compacting thread */

uint64_t ldb_size(struct store *s, struct bytes from, struct bytes to)
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

void ldb_hand_to_compactor(struct store_leveldb *l)
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

bool ldb_compact(struct store *s, struct bytes from, struct bytes to)
{
    struct store_leveldb *l = ldb_of(s);
    bool room = spans_add(&l->asked, from, to);
    l->asked_after = s->written;
    ldb_hand_to_compactor(l);
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
