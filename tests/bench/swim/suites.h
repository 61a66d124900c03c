SUITE(swim)
