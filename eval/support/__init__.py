"""Does the support check tell true from false? Pairs made of articles, and what the check says."""
