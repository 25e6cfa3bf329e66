"""Many runs on one page: which combination lost how many sessions, and how that went from run to run.

May import the index, what a comparison counts, and the pages; it judges nothing.
"""
