SUITE(scenario)
SUITE(shrink)
SUITE(gen)
