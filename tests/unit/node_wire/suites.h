SUITE(wire)
