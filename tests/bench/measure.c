#include "measure.h"

#include "storage/store_leveldb.h"

#include <poll.h>
#include <time.h>

double measure_cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

void measure_wait(struct store *store, size_t backlog)
{
    struct store_done done;
    store_flush(store);
    while (store_completed(store, &done) || store_backlog(store) > backlog) {
        struct pollfd p = {store_leveldb_wake_fd(store), POLLIN, 0};
        if (store_backlog(store) > backlog)
            poll(&p, 1, 1000);
    }
}
