SUITE(linear)
SUITE_WITH(cells)
SUITE_WITH(history)
SUITE(history_model)
