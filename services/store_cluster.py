"""The client of a store that is a cluster: whoever asks it waits for one node, never for all of them.

redis-py looks for the nodes of a cluster in the thread whose call has failed: it asks one node after the
other, each with a timeout of its own, while the threads behind it queue to do the same. With all nodes
silent that is seconds. Here it is done in the background, once for all threads; a failed call fails at
once with its own error, and the next ones go where the nodes were last seen.
"""

from __future__ import annotations

from typing import Any, Final

import redis
from redis.cluster import RedisCluster

from services.background import AskedOnce

STORE_ERRORS: Final = (redis.RedisError, redis.exceptions.RedisClusterException)
"""All that redis-py raises of its own; the second, of a cluster that cannot be found, is not the first."""


class ClusterClient(RedisCluster):
    """Fulfils redis-py's interface; only the look for nodes is its own."""

    def __init__(self, **options: Any) -> None:
        """Looks for the nodes, and waits for them. Raises one of STORE_ERRORS."""
        super().__init__(**options)
        nodes: Any = self.nodes_manager
        self._looking = AskedOnce[None](nodes.initialize, "cluster-nodes")
        self._put_last = nodes.move_node_to_end_of_cached_nodes
        # redis-py makes the manager of the nodes itself and takes no other one.
        nodes.initialize, nodes.move_node_to_end_of_cached_nodes = self._look_again, self._locked_put_last

    def _look_again(self, *hints: Any, **more: Any) -> None:
        """Have the nodes looked for; nobody waits for what comes of it."""
        self._looking.begin(*hints, **more)

    def _locked_put_last(self, node_name: str) -> None:
        # Without the lock, of two threads that put the same node last one would not find it any more.
        with self.nodes_manager._lock:
            self._put_last(node_name)
