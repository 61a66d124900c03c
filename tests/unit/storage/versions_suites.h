SUITE(versions)
