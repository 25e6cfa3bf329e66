"""What a run does while it has the namespace: infrastructure, rollout, load, faults.

May import `observe`, `ownership`, `api` and `objects`.
"""
