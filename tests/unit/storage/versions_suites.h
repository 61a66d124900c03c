SUITE(versions)
SUITE(tree_versions)
