SUITE(formula)
SUITE(story)
