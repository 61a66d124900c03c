/* password.h - passwords as bcrypt hashes, by libxcrypt.
 *
 * Hashing is slow on purpose: some fifty milliseconds. So it is done on a thread of its own, and
 * whoever has just seen a password be right keeps a quick digest of it, in memory only, to know it
 * again by.
 */
#ifndef TORC_BASE_PASSWORD_H
#define TORC_BASE_PASSWORD_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define PASSWORD_COST     10 /* 2^10 rounds, as Cassandra has it */
#define PASSWORD_COST_MAX 16 /* a hash that somebody brings may cost so much at most: 4 seconds */
#define PASSWORD_SALT     16
#define PASSWORD_MAX      4096 /* bytes; bcrypt looks at the first 72 */
#define PASSWORD_HASH_MAX 128  /* with the closing NUL */

/* Sixty characters "$2a$10$…". The text ends in NUL. False when the library cannot. Slow. */
bool password_hash(const char *password, const uint8_t salt[PASSWORD_SALT],
                   char ret_hash[PASSWORD_HASH_MAX]) MUST_CHECK;

/* Is this the password of that hash? False for what is no hash. Slow. */
bool password_matches(const char *password, const char *hash);

/* Has the text the form of a bcrypt hash, at a cost that we would pay? */
bool password_is_hash(const char *text);

/* Under a millisecond. Not to be stored: of a weak password it tells too much. */
bool password_digest(const char *password, const uint8_t salt[PASSWORD_SALT],
                     char ret_digest[PASSWORD_HASH_MAX]) MUST_CHECK;

#endif
