#include "base/password.h"

#include "base/mem.h"

#include <crypt.h>
#include <stdio.h>
#include <string.h>

#define HASH_LEN      60
#define DIGEST_ROUNDS "1000"

/* libxcrypt's working memory is 32 KiB: too much for a stack of whoever calls. */
static bool run(const char *password, const char *setting, char ret[PASSWORD_HASH_MAX])
{
    struct crypt_data *data = mem_new(struct crypt_data);
    const char *made = crypt_r(password, setting, data);
    bool good = made != NULL && made[0] == '$' && strlen(made) < PASSWORD_HASH_MAX;
    if (good)
        snprintf(ret, PASSWORD_HASH_MAX, "%s", made);
    explicit_bzero(data, sizeof *data);
    mem_free(data);
    return good;
}

bool password_hash(const char *password, const uint8_t salt[PASSWORD_SALT],
                   char ret_hash[PASSWORD_HASH_MAX])
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    /* $2a$ and not $2b$, which is the same: Java's bcrypt reads nothing else. */
    if (crypt_gensalt_rn("$2a$", PASSWORD_COST, (const char *)salt, PASSWORD_SALT, setting,
                         sizeof setting) == NULL)
        return false;
    return run(password, setting, ret_hash);
}

/* Without telling by its time how much of them is alike. */
static bool same(const char *a, const char *b)
{
    size_t len = strlen(a);
    unsigned differ = 0;
    if (strlen(b) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        differ |= (unsigned)(uint8_t)a[i] ^ (unsigned)(uint8_t)b[i];
    return differ == 0;
}

bool password_matches(const char *password, const char *hash)
{
    char made[PASSWORD_HASH_MAX];
    return password_is_hash(hash) && run(password, hash, made) && same(made, hash);
}

bool password_is_hash(const char *text)
{
    static const char letters[] =
        "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if (strlen(text) != HASH_LEN || strncmp(text, "$2", 2) != 0 || strchr("aby", text[2]) == NULL ||
        text[3] != '$' || text[6] != '$')
        return false;
    if (text[4] < '0' || text[4] > '9' || text[5] < '0' || text[5] > '9')
        return false;
    int cost = (text[4] - '0') * 10 + text[5] - '0';
    return cost >= 4 && cost <= PASSWORD_COST_MAX && strspn(text + 7, letters) == HASH_LEN - 7;
}

bool password_digest(const char *password, const uint8_t salt[PASSWORD_SALT],
                     char ret_digest[PASSWORD_HASH_MAX])
{
    char setting[64] = "$5$rounds=" DIGEST_ROUNDS "$";
    size_t n = strlen(setting);
    for (size_t i = 0; i < 12; i++) /* hex: letters that a salt may have */
        n += (size_t)snprintf(setting + n, sizeof setting - n, "%02x", salt[i]);
    setting[sizeof "$5$rounds=" DIGEST_ROUNDS "$" - 1 + 16] = 0; /* it reads 16 of them */
    return run(password, setting, ret_digest);
}
