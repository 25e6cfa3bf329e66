"""Counts what users lose when a pod falls: load, faults and a session ledger for Kubernetes.

The rooms and what each may import: docs/architecture.md.
"""
