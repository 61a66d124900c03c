SUITE(quorum)
SUITE_WITH(coord)
SUITE_WITH(counters)
SUITE_WITH(batch)
