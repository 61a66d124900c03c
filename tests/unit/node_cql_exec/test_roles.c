/* Logging in, roles, and what permissions are good for. */
#include "one_node.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <string.h>

#define KEEP 1000 /* us: how long things are remembered */

void exec_roles_setup(void);
void exec_roles_teardown(void);

static struct one_node f;

void exec_roles_setup(void)
{
    struct exec_config config = {.seed = 1,
                                 .authenticate = true,
                                 .authorize = true,
                                 .roles_validity_us = KEEP,
                                 .permissions_validity_us = KEEP,
                                 .credentials_validity_us = KEEP};
    one_node_open_with(&f, &config);
    CU_ASSERT_STRING_EQUAL(one_node_setup(&f), "READY");
}

void exec_roles_teardown(void)
{
    one_node_close(&f);
}

static void login(const char *role)
{
    f.now.mono += 2 * KEEP;
    CU_ASSERT_STRING_EQUAL_FATAL(one_node_login(&f, role, role), "AUTH_SUCCESS");
    CU_ASSERT_STRING_EQUAL_FATAL(f.user, role);
}

static void the_first_superuser(void)
{
    const struct story roles[] = {
        {"SELECT role, is_superuser, can_login FROM system_auth.roles", "'cassandra', true, true"},
        {NULL, NULL}};
    size_t hashed = f.passwords;
    CU_ASSERT_STRING_EQUAL(one_node_setup(&f), "READY"); /* on another node, or after a restart */
    CU_ASSERT_EQUAL(f.passwords, hashed);
    login("cassandra");
    one_node_story(&f, roles);
    /* Once it is gone, and another is there, it does not come back. */
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&f, "CREATE ROLE boss WITH SUPERUSER = true AND LOGIN = true AND "
                           "PASSWORD = 'boss'"),
        "void");
    login("boss");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "DROP ROLE cassandra"), "void");
    CU_ASSERT_STRING_EQUAL(one_node_setup(&f), "READY");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "SELECT role FROM system_auth.roles"), "'boss'");
}

static void setup_is_tried_again(void)
{
    f.fail_reads = ERR_UNAVAILABLE;
    CU_ASSERT_STRING_EQUAL(one_node_setup(&f),
                           "UNAVAILABLE: Cannot achieve consistency level QUORUM");
}

static void wrong_credentials(void)
{
    CU_ASSERT_STRING_EQUAL(
        one_node_login(&f, "cassandra", "casandra"),
        "CREDENTIALS: Provided username cassandra and/or password are incorrect");
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "nobody", "x"),
                           "CREDENTIALS: Provided username nobody and/or password are incorrect");
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "cassandra", ""),
                           "CREDENTIALS: Password must not be null");
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "", "x"),
                           "CREDENTIALS: Authentication ID must not be null");
    CU_ASSERT_PTR_NULL(f.user);
    f.fail_reads = ERR_UNAVAILABLE;
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "cassandra", "cassandra"),
                           "CREDENTIALS: Unable to perform authentication: Cannot achieve "
                           "consistency level QUORUM");
    f.fail_reads = ERR_OK;
    f.fail_passwords = ERR_OVERLOADED;
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "cassandra", "cassandra"),
                           "OVERLOADED: Too many passwords are to be checked at once");
    CU_ASSERT_PTR_NULL(f.user);
}

static void tokens_that_are_none(void)
{
    static const char *const tokens[] = {"", "x", "\0", "\0\0", "a\0b\0c\0d", "\0a", "\0\xff\0b"};
    static const size_t sizes[] = {0, 1, 1, 2, 7, 2, 4};
    struct cql_request r = {.opcode = CQL_AUTH_RESPONSE};
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        r.auth_response = cql_value_make(bytes_make(tokens[i], sizes[i]));
        one_node_request(&f, &r);
        CU_ASSERT_EQUAL(f.response.opcode, CQL_ERROR);
        CU_ASSERT_EQUAL(f.response.error.code, CQL_ERROR_CREDENTIALS);
    }
    r.auth_response = CQL_NULL;
    one_node_request(&f, &r);
    CU_ASSERT_EQUAL(f.response.error.code, CQL_ERROR_CREDENTIALS);
}

/* Which role may log in is asked after the password: who does not know it learns nothing. */
static void not_everybody_may_log_in(void)
{
    login("cassandra");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "CREATE ROLE r WITH PASSWORD = 'r'"), "void");
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "r", "x"),
                           "CREDENTIALS: Provided username r and/or password are incorrect");
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "r", "r"),
                           "CREDENTIALS: r is not permitted to log in");
    CU_ASSERT_STRING_EQUAL(f.user, "cassandra");
}

/* A password that was right is not hashed again for a while; another one is, and after a change the
 * old one is wrong at once. */
static void right_passwords_are_remembered(void)
{
    login("cassandra");
    size_t hashed = f.passwords;
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "cassandra", "cassandra"), "AUTH_SUCCESS");
    CU_ASSERT_EQUAL(f.passwords, hashed);
    one_node_login(&f, "cassandra", "wrong");
    CU_ASSERT_EQUAL(f.passwords, hashed + 1);
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "ALTER ROLE cassandra WITH PASSWORD = 'new'"),
                           "void");
    CU_ASSERT_STRING_EQUAL(
        one_node_login(&f, "cassandra", "cassandra"),
        "CREDENTIALS: Provided username cassandra and/or password are incorrect");
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "cassandra", "new"), "AUTH_SUCCESS");
    hashed = f.passwords;
    f.now.mono += 2 * KEEP;
    CU_ASSERT_STRING_EQUAL(one_node_login(&f, "cassandra", "new"), "AUTH_SUCCESS");
    CU_ASSERT_EQUAL(f.passwords, hashed + 1);
}

static const struct story world[] = {
    {"CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
     "CREATED KEYSPACE k"},
    {"CREATE TABLE k.t (a int PRIMARY KEY, b int)", "CREATED TABLE k.t"},
    {"INSERT INTO k.t (a, b) VALUES (1, 2)", "void"},
    {"CREATE ROLE u WITH LOGIN = true AND PASSWORD = 'u'", "void"},
    {"CREATE ROLE group_of_u", "void"},
    {NULL, NULL},
};

#define DENIED(perm, on)                                                                           \
    "UNAUTHORIZED: User u has no " perm " permission on " on " or any of its parents"

/* Every kind of statement needs its permission. */
static void statements_need_permissions(void)
{
    static const struct story stories[] = {
        {"SELECT * FROM k.t", DENIED("SELECT", "<table k.t>")},
        {"SELECT * FROM k.nothing", "INVALID: table nothing does not exist"},
        {"INSERT INTO k.t (a) VALUES (1)", DENIED("MODIFY", "<table k.t>")},
        {"UPDATE k.t SET b = 1 WHERE a = 1", DENIED("MODIFY", "<table k.t>")},
        {"DELETE FROM k.t WHERE a = 1", DENIED("MODIFY", "<table k.t>")},
        {"BEGIN UNLOGGED BATCH INSERT INTO k.t (a) VALUES (1) APPLY BATCH",
         DENIED("MODIFY", "<table k.t>")},
        {"TRUNCATE k.t", DENIED("MODIFY", "<table k.t>")},
        {"CREATE KEYSPACE k2 WITH replication = {'class': 'SimpleStrategy', "
         "'replication_factor': 1}",
         DENIED("CREATE", "<all keyspaces>")},
        {"ALTER KEYSPACE k WITH durable_writes = false", DENIED("ALTER", "<keyspace k>")},
        {"DROP KEYSPACE k", DENIED("DROP", "<keyspace k>")},
        {"CREATE TABLE k.t2 (a int PRIMARY KEY)", DENIED("CREATE", "<all tables in k>")},
        {"ALTER TABLE k.t ADD c int", DENIED("ALTER", "<table k.t>")},
        {"DROP TABLE k.t", DENIED("DROP", "<table k.t>")},
        {"GRANT SELECT ON k.t TO u", DENIED("AUTHORIZE", "<table k.t>")},
        {"CREATE ROLE x", "UNAUTHORIZED: User u does not have sufficient privileges to perform the "
                          "requested operation"},
        {"DROP ROLE cassandra", "UNAUTHORIZED: User u does not have sufficient privileges to "
                                "perform the requested operation"},
        {"GRANT group_of_u TO u", "UNAUTHORIZED: User u does not have sufficient privileges to "
                                  "perform the requested operation"},
        {"LIST ALL PERMISSIONS",
         "UNAUTHORIZED: You are not authorized to view everyone's permissions"},
        {"LIST ROLES", "'u', false, true, {}, 'ALL'"},
        {"SELECT * FROM system_auth.roles", DENIED("SELECT", "<table system_auth.roles>")},
        {"SELECT role FROM system_auth.role_permissions",
         DENIED("SELECT", "<table system_auth.role_permissions>")},
        {"SELECT key FROM system.local", "'local'"},
        {"SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = 'k'", "'k'"},
        {"SELECT * FROM system_traces.sessions", "(no rows)"},
        {"USE k", "keyspace k"},
        {NULL, NULL},
    };
    login("cassandra");
    one_node_story(&f, world);
    login("u");
    one_node_story(&f, stories);
}

static void permissions_come_from_above_and_from_groups(void)
{
    static const struct story before[] = {{"GRANT SELECT ON KEYSPACE k TO group_of_u", "void"},
                                          {"GRANT MODIFY ON k.t TO u", "void"},
                                          {NULL, NULL}};
    static const struct story member[] = {{"GRANT group_of_u TO u", "void"}, {NULL, NULL}};
    static const struct story gone[] = {{"REVOKE group_of_u FROM u", "void"}, {NULL, NULL}};
    login("cassandra");
    one_node_story(&f, world);
    one_node_story(&f, before);
    login("u");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "UPDATE k.t SET b = 3 WHERE a = 1"), "void");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "SELECT b FROM k.t"),
                           DENIED("SELECT", "<table k.t>"));
    login("cassandra");
    one_node_story(&f, member);
    login("u");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "SELECT b FROM k.t"), "3");
    login("cassandra");
    one_node_story(&f, gone);
    login("u");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "SELECT b FROM k.t"),
                           DENIED("SELECT", "<table k.t>"));
}

/* All keyspaces are not those of the system. */
static void all_keyspaces_are_not_the_systems(void)
{
    static const struct story stories[] = {
        {"SELECT b FROM k.t", "2"},
        {"SELECT role FROM system_auth.roles", DENIED("SELECT", "<table system_auth.roles>")},
        {"INSERT INTO system_auth.roles (role) VALUES ('x')",
         DENIED("MODIFY", "<table system_auth.roles>")},
        {NULL, NULL}};
    login("cassandra");
    one_node_story(&f, world);
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "GRANT ALL ON ALL KEYSPACES TO u"), "void");
    login("u");
    one_node_story(&f, stories);
}

/* Who makes something may do all with it; when it is gone so are the permissions. */
static void creators_own_what_they_make(void)
{
    static const struct story make[] = {
        {"CREATE TABLE k.mine (a int PRIMARY KEY)", "CREATED TABLE k.mine"},
        {"INSERT INTO k.mine (a) VALUES (1)", "void"},
        {"GRANT SELECT ON k.mine TO group_of_u", "void"},
        {"DROP TABLE k.mine", "DROPPED TABLE k.mine"},
        {NULL, NULL}};
    static const struct story after[] = {
        {"SELECT resource FROM system_auth.role_permissions WHERE role = 'group_of_u'",
         "(no rows)"},
        {"SELECT role FROM system_auth.resource_role_permissons_index WHERE resource = "
         "'data/k/mine'",
         "(no rows)"},
        {"CREATE TABLE k.mine (a int PRIMARY KEY)", "CREATED TABLE k.mine"},
        {NULL, NULL}};
    login("cassandra");
    one_node_story(&f, world);
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "GRANT CREATE ON KEYSPACE k TO u"), "void");
    login("u");
    one_node_story(&f, make);
    login("cassandra");
    one_node_story(&f, after);
    login("u");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "SELECT * FROM k.mine"),
                           DENIED("SELECT", "<table k.mine>"));
    login("cassandra");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "DROP KEYSPACE k"), "DROPPED KEYSPACE k");
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&f, "SELECT resource FROM system_auth.role_permissions WHERE role = 'u'"),
        "(no rows)");
}

/* What this node changes counts at once, what another one changes after the time of validity. */
static void what_is_remembered(void)
{
    login("cassandra");
    one_node_story(&f, world);
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "GRANT SELECT ON k.t TO u"), "void");
    login("u");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "SELECT b FROM k.t"), "2");
    size_t reads = f.reads;
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "SELECT b FROM k.t"), "2");
    CU_ASSERT_EQUAL(f.reads, reads + 1);
    /* As another node would do it. */
    mem_free(f.user);
    f.user = mem_text("cassandra");
    CU_ASSERT_STRING_EQUAL(
        one_node_query(&f, "DELETE FROM system_auth.role_permissions WHERE role = 'u'"), "void");
    mem_free(f.user);
    f.user = mem_text("u");
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "SELECT b FROM k.t"), "2");
    f.now.mono += 2 * KEEP;
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "SELECT b FROM k.t"),
                           DENIED("SELECT", "<table k.t>"));
}

static void nothing_goes_when_permissions_cannot_be_read(void)
{
    login("cassandra");
    one_node_story(&f, world);
    login("u");
    f.fail_reads = ERR_TIMEOUT;
    CU_ASSERT_STRING_EQUAL(one_node_query(&f, "INSERT INTO k.t (a) VALUES (9)"),
                           "UNAUTHORIZED: Unable to perform authorization of permissions: "
                           "Operation timed out - received only 1 responses.");
}

static void names_and_passwords_with_nul(void)
{
    static const char text[] = "CREATE ROLE 'cassandra\0x'";
    struct cql_request r = {.opcode = CQL_QUERY};
    login("cassandra");
    r.query.text = bytes_make(text, sizeof text - 1);
    r.query.params.consistency = CQL_CL_ONE;
    one_node_request(&f, &r);
    CU_ASSERT_STRING_EQUAL(one_node_text(&f), "INVALID: Role name can't have a NUL character");
}

CU_TestInfo exec_roles_tests[] = {
    {"the first superuser", the_first_superuser},
    {"setup is tried again", setup_is_tried_again},
    {"wrong credentials", wrong_credentials},
    {"tokens that are none", tokens_that_are_none},
    {"not everybody may log in", not_everybody_may_log_in},
    {"right passwords are remembered", right_passwords_are_remembered},
    {"statements need permissions", statements_need_permissions},
    {"permissions come from above and from groups", permissions_come_from_above_and_from_groups},
    {"all keyspaces are not the system's", all_keyspaces_are_not_the_systems},
    {"creators own what they make", creators_own_what_they_make},
    {"what is remembered", what_is_remembered},
    {"nothing goes when permissions cannot be read", nothing_goes_when_permissions_cannot_be_read},
    {"names and passwords with NUL", names_and_passwords_with_nul},
    CU_TEST_INFO_NULL,
};
