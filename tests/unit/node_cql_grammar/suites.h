SUITE(cql_accept)
SUITE(cql_ast)
SUITE(cql_lexer)
