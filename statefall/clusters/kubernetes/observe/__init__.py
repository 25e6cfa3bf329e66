"""What stands in the namespace now and what happens to it, from the API server's watches.

May import `api` and `objects`.
"""
