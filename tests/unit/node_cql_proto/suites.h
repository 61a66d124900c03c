SUITE_WITH(notation)
SUITE_WITH(segment)
SUITE_WITH(conn)
SUITE_WITH(conn_bad)
