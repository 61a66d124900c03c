/* login.c - AUTH_RESPONSE, and the role that is there before all others.
 *
 *   token := authorization id NUL authentication id NUL password     (SASL PLAIN)
 */
#include "node/cql/exec/role.h"

#include "base/password.h"
#include "node/cql/exec/request.h"

#include <string.h>

static bool refuse(struct run *r, const char *format, const char *role)
{
    return run_fail(r, CQL_ERROR_CREDENTIALS, format, role);
}

static bool wrong_credentials(struct run *r, const char *role)
{
    return refuse(r, "Provided username %s and/or password are incorrect", role);
}

/* From its end, as Cassandra takes it apart: what stands before the first NUL does not count. */
bool credentials_read(struct run *r, struct bytes sasl, struct credentials *ret)
{
    struct bytes parts[2] = {BYTES_NONE, BYTES_NONE}; /* password, role */
    size_t end = sasl.len, n = 0;
    for (size_t i = sasl.len; i-- > 0;) {
        if (sasl.data[i] != 0)
            continue;
        if (n == ARRAY_LEN(parts))
            return refuse(r,
                          "Credential format error: username or password is empty or contains "
                          "NUL(\\0) character%s",
                          "");
        parts[n++] = bytes_make(sasl.data + i + 1, end - i - 1);
        end = i;
    }
    if (parts[0].len == 0)
        return refuse(r, "Password must not be null%s", "");
    if (parts[1].len == 0)
        return refuse(r, "Authentication ID must not be null%s", "");
    ret->password = run_text(r, parts[0]);
    ret->role = run_text(r, parts[1]);
    if (parts[0].len > PASSWORD_MAX || parts[1].len > PASSWORD_MAX ||
        value_validate(cql_type_native(CQL_TEXT), parts[1], NULL) != ERR_OK)
        return refuse(r, "Credential format error: username or password is too long or no text%s",
                      "");
    return true;
}

/* --- what takes long, and is done elsewhere */

static void ask(struct exec *e, struct request *q, const char *password, const char *hash)
{
    struct exec_effect *effect = effect_add(e, EXEC_PASSWORD, q);
    effect->password.password = password;
    effect->password.hash = hash;
    for (size_t i = 0; i < sizeof effect->password.salt; i += 8)
        store_u64(effect->password.salt + i, rng_next(&e->rng));
    q->password = PASSWORD_ASKED;
    effect_op(e, q, effect);
}

static bool ask_failed(struct request *q)
{
    return run_fail(&q->run, CQL_ERROR_OVERLOADED, "Too many passwords are to be checked at once");
}

bool password_ask_hash(struct exec *e, struct request *q, const char *password, const char **ret)
{
    if (q->password == PASSWORD_NONE)
        ask(e, q, password, NULL);
    if (q->password == PASSWORD_ASKED)
        return false;
    *ret = q->password_hash;
    return q->password == PASSWORD_GOOD || ask_failed(q);
}

bool password_ask_match(struct exec *e, struct request *q, const char *password, const char *hash,
                        bool *ret)
{
    if (q->password == PASSWORD_NONE)
        ask(e, q, password, hash);
    if (q->password == PASSWORD_ASKED)
        return false;
    *ret = q->password == PASSWORD_GOOD;
    return q->password != PASSWORD_TOO_MANY || ask_failed(q);
}

/* --- logging in */

static bool role_ask(struct exec *e, struct request *q, const char *name,
                     const struct inner_rows **ret)
{
    *ret = inner_ask(
        e, q,
        &(struct inner_question){.text = "SELECT salted_hash, can_login FROM system_auth.roles "
                                         "WHERE role = ?",
                                 .values = {bytes_text(name)},
                                 .count = 1,
                                 .level = auth_read_level(name),
                                 .trouble = "Unable to perform authentication: ",
                                 .code = CQL_ERROR_CREDENTIALS});
    return *ret != NULL;
}

static bool check_credentials(struct exec *e, struct request *q, const struct credentials *c)
{
    const struct inner_rows *rows;
    bool right = false;
    if (!role_ask(e, q, c->role, &rows))
        return false;
    const char *hash = rows->count > 0 ? inner_text(&q->run, &rows->items[0][0]) : NULL;
    if (hash == NULL)
        return wrong_credentials(&q->run, c->role);
    if (q->password == PASSWORD_NONE && auth_verified(e, q->now, c->role, hash, c->password))
        q->password = PASSWORD_GOOD;
    if (!password_ask_match(e, q, c->password, hash, &right))
        return false;
    if (!right)
        return wrong_credentials(&q->run, c->role);
    auth_verified_keep(e, q->now, c->role, hash, c->password);
    return inner_bool(&rows->items[0][1]) ||
           refuse(&q->run, "%s is not permitted to log in", c->role);
}

bool login(struct exec *e, struct request *q)
{
    struct buf b;
    if (e->config.authenticate) {
        if (!check_credentials(e, q, &q->credentials))
            return false;
        effect_add(e, EXEC_LOGIN, q)->user = q->credentials.role;
    }
    buf_init(&b, 64);
    cql_token_put(&b, CQL_NULL);
    reply_body(e, q, CQL_AUTH_SUCCESS, &b);
    return true;
}

/* The time stamp is the lowest there is, so nothing that anybody ever changed about the role is
 * undone by a node that did not know of it. */
bool login_setup(struct exec *e, struct request *q)
{
    static const uint8_t yes = 1;
    const char *hash;
    const struct inner_rows *rows =
        inner_ask(e, q,
                  &(struct inner_question){.text = "SELECT role FROM system_auth.roles LIMIT 1",
                                           .level = CQL_CL_QUORUM});
    if (rows == NULL)
        return false;
    if (rows->count > 0)
        return true;
    return password_ask_hash(e, q, AUTH_SUPERUSER, &hash) &&
           inner_ask(e, q,
                     &(struct inner_question){
                         .text = "INSERT INTO system_auth.roles (role, is_superuser, can_login, "
                                 "salted_hash) VALUES (?, ?, ?, ?) USING TIMESTAMP 0",
                         .values = {BYTES_LIT(AUTH_SUPERUSER), bytes_make(&yes, 1),
                                    bytes_make(&yes, 1), bytes_text(hash)},
                         .count = 4,
                         .level = CQL_CL_QUORUM}) != NULL;
}
