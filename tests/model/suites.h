SUITE(range)
SUITE(heard)
