"""The embedded local cluster: real processes that play pods, behind a real balancer."""
