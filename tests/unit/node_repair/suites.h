SUITE_WITH(runs)
SUITE_WITH(trouble)
SUITE(report)
