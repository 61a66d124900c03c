SUITE(clock)
SUITE(part)
