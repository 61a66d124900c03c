#include "node/schema/form.h"

#include "node/schema/vint.h"

bool form_kept(const struct cql_type *type)
{
    return cql_type_mentions(type, CQL_DECIMAL);
}

void form_put(struct bytes key, struct bytes rest, struct buf *out)
{
    vint_put(key.len, out);
    buf_put_bytes(out, key);
    buf_put_bytes(out, rest);
}

bool form_take(struct bytes stored, struct bytes *ret_key, struct bytes *ret_rest)
{
    struct reader r = reader_make(stored);
    uint64_t len = vint_read(&r);
    struct bytes key = read_bytes(&r, len > SIZE_MAX ? SIZE_MAX : (size_t)len);
    if (r.failed)
        return false;
    *ret_key = key;
    *ret_rest = read_rest(&r);
    return true;
}

struct bytes form_or_key(const struct cql_type *type, struct bytes form, struct bytes key)
{
    bool good = value_validate(type, form, NULL) == ERR_OK && value_compare(type, form, key) == 0;
    return good ? form : key;
}
