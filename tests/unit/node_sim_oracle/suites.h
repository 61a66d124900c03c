SUITE(linear)
