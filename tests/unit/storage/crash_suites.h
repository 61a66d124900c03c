SUITE_WITH(crash)
