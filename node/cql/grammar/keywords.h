/* keywords.h - the words of CQL, declared once.
 *
 * The lexer gives each its token CQL_TOKEN_<word>; which of them may also serve as names is said by
 * %fallback in cql.y and nowhere else: cql_keywords() asks the parser. Sorted, because the lexer
 * searches it by halving (a unit test says so when it is not).
 */
#ifndef TORC_NODE_CQL_GRAMMAR_KEYWORDS_H
#define TORC_NODE_CQL_GRAMMAR_KEYWORDS_H

#include "base/bytes.h"

#define CQL_KEYWORD_LIST(X)                                                                        \
    X(ACCESS)                                                                                      \
    X(ADD)                                                                                         \
    X(AGGREGATE)                                                                                   \
    X(AGGREGATES)                                                                                  \
    X(ALL)                                                                                         \
    X(ALLOW)                                                                                       \
    X(ALTER)                                                                                       \
    X(AND)                                                                                         \
    X(ANN)                                                                                         \
    X(APPLY)                                                                                       \
    X(AS)                                                                                          \
    X(ASC)                                                                                         \
    X(ASCII)                                                                                       \
    X(AUTHORIZE)                                                                                   \
    X(BATCH)                                                                                       \
    X(BEGIN)                                                                                       \
    X(BIGINT)                                                                                      \
    X(BLOB)                                                                                        \
    X(BOOLEAN)                                                                                     \
    X(BY)                                                                                          \
    X(CALLED)                                                                                      \
    X(CAST)                                                                                        \
    X(CAUSALITY)                                                                                   \
    X(CIDRS)                                                                                       \
    X(CLUSTER)                                                                                     \
    X(CLUSTERING)                                                                                  \
    X(COLUMNFAMILIES)                                                                              \
    X(COLUMNFAMILY)                                                                                \
    X(COMPACT)                                                                                     \
    X(CONTAINS)                                                                                    \
    X(COUNT)                                                                                       \
    X(COUNTER)                                                                                     \
    X(CREATE)                                                                                      \
    X(CUSTOM)                                                                                      \
    X(DATACENTERS)                                                                                 \
    X(DATE)                                                                                        \
    X(DECIMAL)                                                                                     \
    X(DEFAULT)                                                                                     \
    X(DELETE)                                                                                      \
    X(DESC)                                                                                        \
    X(DESCRIBE)                                                                                    \
    X(DISTINCT)                                                                                    \
    X(DOUBLE)                                                                                      \
    X(DROP)                                                                                        \
    X(DURATION)                                                                                    \
    X(ENTRIES)                                                                                     \
    X(EXECUTE)                                                                                     \
    X(EXISTS)                                                                                      \
    X(FILTERING)                                                                                   \
    X(FINALFUNC)                                                                                   \
    X(FLOAT)                                                                                       \
    X(FROM)                                                                                        \
    X(FROZEN)                                                                                      \
    X(FULL)                                                                                        \
    X(FUNCTION)                                                                                    \
    X(FUNCTIONS)                                                                                   \
    X(GRANT)                                                                                       \
    X(GROUP)                                                                                       \
    X(HASHED)                                                                                      \
    X(IDENTITY)                                                                                    \
    X(IF)                                                                                          \
    X(IN)                                                                                          \
    X(INDEX)                                                                                       \
    X(INET)                                                                                        \
    X(INFINITY)                                                                                    \
    X(INITCOND)                                                                                    \
    X(INPUT)                                                                                       \
    X(INSERT)                                                                                      \
    X(INT)                                                                                         \
    X(INTERNALS)                                                                                   \
    X(INTO)                                                                                        \
    X(IS)                                                                                          \
    X(JSON)                                                                                        \
    X(KEY)                                                                                         \
    X(KEYS)                                                                                        \
    X(KEYSPACE)                                                                                    \
    X(KEYSPACES)                                                                                   \
    X(LANGUAGE)                                                                                    \
    X(LIKE)                                                                                        \
    X(LIMIT)                                                                                       \
    X(LIST)                                                                                        \
    X(LOGGED)                                                                                      \
    X(LOGIN)                                                                                       \
    X(MAP)                                                                                         \
    X(MASKED)                                                                                      \
    X(MATERIALIZED)                                                                                \
    X(MBEAN)                                                                                       \
    X(MBEANS)                                                                                      \
    X(MODIFY)                                                                                      \
    X(NAN)                                                                                         \
    X(NOLOGIN)                                                                                     \
    X(NORECURSIVE)                                                                                 \
    X(NOSUPERUSER)                                                                                 \
    X(NOT)                                                                                         \
    X(NULL)                                                                                        \
    X(OF)                                                                                          \
    X(ON)                                                                                          \
    X(ONLY)                                                                                        \
    X(OPTIONS)                                                                                     \
    X(OR)                                                                                          \
    X(ORDER)                                                                                       \
    X(PARTITION)                                                                                   \
    X(PASSWORD)                                                                                    \
    X(PER)                                                                                         \
    X(PERMISSION)                                                                                  \
    X(PERMISSIONS)                                                                                 \
    X(PRIMARY)                                                                                     \
    X(RENAME)                                                                                      \
    X(REPLACE)                                                                                     \
    X(RETURNS)                                                                                     \
    X(REVOKE)                                                                                      \
    X(ROLE)                                                                                        \
    X(ROLES)                                                                                       \
    X(SCHEMA)                                                                                      \
    X(SELECT)                                                                                      \
    X(SELECT_MASKED)                                                                               \
    X(SET)                                                                                         \
    X(SFUNC)                                                                                       \
    X(SMALLINT)                                                                                    \
    X(STATIC)                                                                                      \
    X(STORAGE)                                                                                     \
    X(STYPE)                                                                                       \
    X(SUPERUSER)                                                                                   \
    X(TABLE)                                                                                       \
    X(TABLES)                                                                                      \
    X(TEXT)                                                                                        \
    X(TIME)                                                                                        \
    X(TIMESTAMP)                                                                                   \
    X(TIMEUUID)                                                                                    \
    X(TINYINT)                                                                                     \
    X(TO)                                                                                          \
    X(TOKEN)                                                                                       \
    X(TRIGGER)                                                                                     \
    X(TRUNCATE)                                                                                    \
    X(TTL)                                                                                         \
    X(TUPLE)                                                                                       \
    X(TYPE)                                                                                        \
    X(TYPES)                                                                                       \
    X(UNLOGGED)                                                                                    \
    X(UNMASK)                                                                                      \
    X(UNSET)                                                                                       \
    X(UPDATE)                                                                                      \
    X(USE)                                                                                         \
    X(USER)                                                                                        \
    X(USERS)                                                                                       \
    X(USING)                                                                                       \
    X(UUID)                                                                                        \
    X(VALUES)                                                                                      \
    X(VARCHAR)                                                                                     \
    X(VARINT)                                                                                      \
    X(VECTOR)                                                                                      \
    X(VIEW)                                                                                        \
    X(WHERE)                                                                                       \
    X(WITH)                                                                                        \
    X(WRITETIME)

struct cql_keyword {
    const char *text; /* upper case */
    bool reserved;    /* no name unless quoted */
};

/* The n-th keyword in alphabetical order; false past the last. For completion in the shell. */
bool cql_keyword_at(size_t n, struct cql_keyword *ret_keyword);

/* Must this name be quoted to be read back as itself? (DESCRIBE asks.) */
bool cql_name_needs_quotes(struct bytes name);

#endif
