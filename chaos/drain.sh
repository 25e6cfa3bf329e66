#!/bin/sh
# Takes a node out of service as for maintenance: its replicas are evicted as the budget allows, and come up
# elsewhere. It needs Kubernetes: locally there is one node, and `delete` is what a replica sees of a drain.
set -eu
statefall fault drain "$@"
