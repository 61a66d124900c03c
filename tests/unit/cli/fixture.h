/* fixture.h - a session against a test server, its output in memory. For test_session, test_copy.
 */
#ifndef TORC_TESTS_UNIT_CLI_FIXTURE_H
#define TORC_TESTS_UNIT_CLI_FIXTURE_H

#include "cli/session.h"
#include "unit/cli/server.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct server server;
    struct session session;
    char *out, *err;
    size_t out_len, err_len;
    size_t out_seen, err_seen;
};

static inline void fixture_open(struct fixture *f, uint8_t version)
{
    *f = (struct fixture){.out = NULL};
    server_start(&f->server, version);
    session_init(&f->session, &(struct client_config){.host = "127.0.0.1",
                                                      .port = f->server.port,
                                                      .connect_timeout = 10 * USEC_PER_SEC,
                                                      .request_timeout = 30 * USEC_PER_SEC});
    f->session.out = open_memstream(&f->out, &f->out_len);
    f->session.err = open_memstream(&f->err, &f->err_len);
}

static inline void fixture_close(struct fixture *f)
{
    FILE *out = f->session.out, *err = f->session.err;
    session_close(&f->session);
    server_stop(&f->server);
    fclose(out);
    fclose(err);
    free(f->out);
    free(f->err);
}

/* Run statements; before and after it the fields of the server may be looked at. */
static inline bool fixture_run(struct fixture *f, const char *text)
{
    server_sync(&f->server);
    bool fine = session_text(&f->session, text);
    server_sync(&f->server);
    return fine;
}

/* What was written since the last call; false and both texts on a surprise. */
static inline bool fixture_said(struct fixture *f, const char *out, const char *err)
{
    fflush(f->session.out);
    fflush(f->session.err);
    const char *new_out = f->out + f->out_seen, *new_err = f->err + f->err_seen;
    bool same = strcmp(new_out, out) == 0 && strcmp(new_err, err) == 0;
    if (!same)
        printf("\nout: %s\nerr: %s\n", new_out, new_err);
    f->out_seen = f->out_len;
    f->err_seen = f->err_len;
    return same;
}

#endif
