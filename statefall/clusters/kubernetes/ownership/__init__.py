"""Whose the namespace is, which objects and nodes a run has to give back, and who does it after a dead one.

May import `api` and `objects`.
"""
