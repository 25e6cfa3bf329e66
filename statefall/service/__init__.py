"""The service under test: its file, and what its replicas say of themselves.

May import `statefall.records` and `statefall.content`.
"""
