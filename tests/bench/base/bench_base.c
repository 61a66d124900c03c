/* The containers and codecs that every request goes through. */
#include "base/buf.h"
#include "base/histogram.h"
#include "base/map.h"
#include "base/omap.h"
#include "base/rng.h"
#include "bench/bench.h"

#define KEYS 100000

struct fixture {
    struct rng rng;
    struct omap omap;
    struct map map;
    struct histogram histogram;
    struct buf buf;
};

static struct bytes key(uint8_t room[8], uint64_t n)
{
    store_u64(room, n);
    return bytes_make(room, 8);
}

static void omap_random_get(void *arg, uint64_t n)
{
    struct fixture *f = arg;
    uint8_t room[8];
    for (; n > 0; n--)
        bench_use(omap_get(&f->omap, key(room, rng_below(&f->rng, KEYS)), NULL));
}

static void omap_random_replace(void *arg, uint64_t n)
{
    struct fixture *f = arg;
    uint8_t room[8];
    for (; n > 0; n--) {
        struct bytes k = key(room, rng_below(&f->rng, KEYS));
        omap_remove(&f->omap, k);
        omap_put(&f->omap, k, k);
    }
}

static void map_random_get(void *arg, uint64_t n)
{
    struct fixture *f = arg;
    for (; n > 0; n--)
        bench_use(map_get(&f->map, rng_below(&f->rng, KEYS)) != NULL);
}

static void histogram_random_record(void *arg, uint64_t n)
{
    struct fixture *f = arg;
    for (; n > 0; n--)
        histogram_record(&f->histogram, (int64_t)rng_below(&f->rng, 1 << 20));
}

static void varint_there_and_back(void *arg, uint64_t n)
{
    struct fixture *f = arg;
    for (; n > 0; n--) {
        buf_clear(&f->buf);
        buf_put_varint(&f->buf, rng_next(&f->rng) >> rng_below(&f->rng, 64));
        struct reader r = reader_make(buf_bytes(&f->buf));
        bench_use(read_varint(&r));
    }
}

int main(void)
{
    static struct fixture f;
    rng_init(&f.rng, 1);
    buf_init(&f.buf, 64);
    for (uint64_t n = 0; n < KEYS; n++) {
        uint8_t room[8];
        omap_put(&f.omap, key(room, n), key(room, n));
        map_put(&f.map, n, &f);
    }
    bench_run("omap get, 100k keys", omap_random_get, &f);
    bench_run("omap remove and put, 100k keys", omap_random_replace, &f);
    bench_run("map get, 100k keys", map_random_get, &f);
    bench_run("histogram record", histogram_random_record, &f);
    bench_run("varint there and back", varint_there_and_back, &f);
    omap_close(&f.omap);
    map_close(&f.map);
    buf_close(&f.buf);
    return 0;
}
