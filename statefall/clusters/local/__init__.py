"""The embedded local cluster: real processes that play pods, behind a real balancer.

    cluster         the Protocol's calls, each a few lines
    controller      owns the pods, in the one thread of `loop`; others see its `view`
    lifecycle       what a kubelet does with a pod           \\
    replicaset      what ReplicaSet and Deployment do         > pure
    routing         which endpoints the balancer gets        /
    router          tells the balancer, and waits until it follows
    containers      a pod's processes, log and probe
    infrastructure  database, store, balancer
    processes       starting what cannot outlive the harness
    recovery        clearing what a killed harness left
    directories     where all of it lies on this machine
"""

from statefall.clusters.local.cluster import LocalCluster

__all__ = ["LocalCluster"]
