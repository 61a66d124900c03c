SUITE(scenario)
SUITE(shrink)
SUITE(gen)
SUITE(run)
