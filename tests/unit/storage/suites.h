SUITE(clock)
SUITE(part)
SUITE(engine)
