SUITE(clock)
SUITE(part)
SUITE(engine)
SUITE_WITH(store)
