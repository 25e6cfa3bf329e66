"""Where the services run: small Protocols, embedded processes or Kubernetes behind them.

    protocol       what a cluster does, and the records that it does it with
    capabilities   what not every cluster can do
    registry       which clusters there are, what each of them can do, and its driver
    notices        telling subscribers, for drivers

A driver is a folder. May import `statefall.records` and `statefall.content`. Whoever uses a cluster sees the
Protocols; which one it is, the registry alone knows.
"""
