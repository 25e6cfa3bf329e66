"""The systems under test: twin shops, one that keeps no client state and one that does.

It is what a user would replace by a service of their own, so it imports nothing of the harness.
"""
