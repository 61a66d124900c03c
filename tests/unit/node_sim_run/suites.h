SUITE(scenario)
SUITE(shrink)
