SUITE(omap)
SUITE(map)
