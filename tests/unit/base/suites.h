SUITE(omap)
SUITE(map)
SUITE_WITH(log)
SUITE(metrics)
