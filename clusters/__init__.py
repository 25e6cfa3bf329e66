"""Where the services run: one Protocol, embedded processes or Kubernetes behind it.

May import `foundation` only. `chaos` and `statefall` see `clusters.protocol`; which cluster
stands behind it is known to `statefall` alone.
"""
