SUITE(linear)
SUITE_WITH(cells)
