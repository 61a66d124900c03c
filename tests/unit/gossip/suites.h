SUITE(formula)
SUITE(message)
SUITE(member)
SUITE(story)
