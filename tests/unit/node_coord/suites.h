SUITE(quorum)
SUITE_WITH(coord)
