"""Ways into a pod through the API server: run a command, fetch a page, forward a port.

Port-forwards are used for all that is asked of a pod, because they work from outside of the cluster
and whatever its network policies say, and they let a service listen on the pod's loopback alone.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from kubernetes import client
from kubernetes.client import ApiException
from kubernetes.stream import portforward, stream
from kubernetes.stream.ws_client import ERROR_CHANNEL
from websocket import WebSocketException

from clusters.kubernetes.api import Api
from clusters.protocol import ClusterError

_CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that was run in a container."""

    output: str
    fine: bool | None
    """Whether it ended with code 0; None when its end was not told (it took the container with it)."""


def run_in(api: Api, pod: str, command: list[str], *, timeout_s: float = 15.0) -> Ended:
    """Run a command in the pod's first container. Raises ClusterError when it cannot be begun."""
    # The client's stream function swaps a method of the ApiClient that it is given: never share that.
    own = client.ApiClient(api.configuration)
    try:
        running = stream(
            client.CoreV1Api(own).connect_get_namespaced_pod_exec,
            pod,
            api.namespace,
            command=command,
            stdin=False,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
        )
        try:
            running.run_forever(timeout=timeout_s)
            status = running.read_channel(ERROR_CHANNEL)
            return Ended(running.read_all(), '"status":"Success"' in status if status else None)
        finally:
            running.close()
            running.sock.shutdown()  # when the server closed first, `close` leaves the socket open
    except (ApiException, WebSocketException, OSError) as error:
        raise ClusterError(f"cannot run {command[0]} in pod {pod}: {_reason(error)}") from error
    finally:
        own.close()


def fetch(api: Api, pod: str, port: int, path: str, *, timeout_s: float = 5.0) -> bytes:
    """GET a page from a pod. Raises ClusterError when it does not answer with 200 in time."""
    try:
        tunnel = _open(api, pod, port)
        try:
            tunnel.settimeout(timeout_s)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
            connection.sock = tunnel
            connection.request("GET", path, headers={"Host": "127.0.0.1", "Connection": "close"})
            response = connection.getresponse()
            body = response.read()
        finally:
            tunnel.close()
    except (http.client.HTTPException, OSError) as error:
        raise ClusterError(f"pod {pod}: no answer from port {port}: {_reason(error)}") from error
    if response.status != 200:
        raise ClusterError(f"pod {pod}: {path} answered {response.status}")
    return body


class Forward:
    """A port of a pod on this machine's loopback, until closed."""

    def __init__(self, api: Api, pod: str, port: int) -> None:
        self._api, self._pod, self._port = api, pod, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[Any] = set()
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, name=f"forward to {pod}", daemon=True).start()

    @property
    def url(self) -> str:
        """Where to call."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Stop listening and end all connections."""
        with self._lock:
            self._closed = True
            ends = list(self._open)
        # A thread blocked in accept is woken by a shutdown, not by a close.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in ends:
            _end(end)

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._connect, args=(caller,), daemon=True).start()

    def _connect(self, caller: socket.socket) -> None:
        try:
            tunnel = _open(self._api, self._pod, self._port)
        except ClusterError:
            caller.close()  # the caller sees a broken connection, as it would without a tunnel
            return
        with self._lock:
            self._open |= {caller, tunnel}
            closed = self._closed
        if closed:
            _end(caller)
            _end(tunnel)
            return
        back = threading.Thread(target=_pump, args=(tunnel, caller), daemon=True)
        back.start()
        _pump(caller, tunnel)
        back.join()
        with self._lock:
            self._open -= {caller, tunnel}
        caller.close()
        tunnel.close()


def _open(api: Api, pod: str, port: int) -> Any:
    own = client.ApiClient(api.configuration)
    try:
        forward = portforward(
            client.CoreV1Api(own).connect_get_namespaced_pod_portforward,
            pod,
            api.namespace,
            ports=str(port),
        )
    except ApiException as error:
        raise ClusterError(f"no way to pod {pod}: {_reason(error)}") from error
    finally:
        own.close()
    return forward.socket(port)


def _pump(source: Any, target: Any) -> None:
    """Carry bytes until one side ends, then end both."""
    try:
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
    except OSError:
        pass  # the other direction ended both, or a side broke: either way it is over
    _end(source)
    _end(target)


def _end(end: Any) -> None:
    with suppress(OSError):  # it may have ended by itself
        end.shutdown(socket.SHUT_RDWR)


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "reason", "") or error).strip()
    # The client puts the whole answer into the text of a refused handshake, the API's status last.
    _, _, body = text.rpartition("-+-+- ")
    with suppress(ValueError, KeyError, TypeError):  # another text is shown as it is
        return str(json.loads(body)["message"])
    return text.splitlines()[0] if text else type(error).__name__
