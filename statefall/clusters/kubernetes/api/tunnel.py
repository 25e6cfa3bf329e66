"""Ways into a pod through the API server: run a command, fetch a page, forward a port.

Port-forwards are used for all that is asked of a pod, because they work from outside of the cluster
and whatever its network policies say, and they let a service listen on the pod's loopback alone.

Every connection is begun on a thread of its own, see `_begun`.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from kubernetes import client
from kubernetes.client import ApiException
from kubernetes.stream import portforward, stream
from kubernetes.stream.ws_client import ERROR_CHANNEL, PortForward, create_websocket, get_websocket_url
from websocket import WebSocketException

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.protocol import ClusterError

CONNECT_TIMEOUT_S: Final = 10.0
"""For the whole way: to the API server, from there to the node, and into the pod."""
_CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that was run in a container."""

    output: str
    fine: bool | None
    """Whether it ended with code 0; None when its end was not told (it took the container with it)."""
    code: int | None = None
    """Its exit code; None when there is none: it could not be run, or its end was not told."""
    problem: str = ""
    """What the node says went wrong, in one line."""


def run_in(
    api: Api, pod: str, command: list[str], *, container: str = "", timeout_s: float = 15.0
) -> CommandResult:
    """Run a command in this container of the pod, or in its first.

    Raises ClusterError when it cannot be begun, or has not ended in time.
    """
    # The client's stream function swaps a method of the ApiClient that it is given: never share that.
    own = client.ApiClient(api.configuration)
    begin = partial(
        stream,
        client.CoreV1Api(own).connect_get_namespaced_pod_exec,
        pod,
        api.namespace,
        command=command,
        stdin=False,
        stdout=True,
        stderr=True,
        tty=False,
        **({"container": container} if container else {}),
        _preload_content=False,
    )
    try:
        running = _begun(begin, _hang_up)
        try:
            running.sock.settimeout(timeout_s)
            running.run_forever(timeout=timeout_s)
            if running.is_open():
                raise TimeoutError(f"it has not ended after {timeout_s:.0f} s")
            status = running.read_channel(ERROR_CHANNEL)
            return _ended(running.read_all(), status)
        finally:
            _hang_up(running)
    except (ApiException, WebSocketException, OSError) as error:
        raise ClusterError(f"cannot run {command[0]} in pod {pod}: {_reason(error)}") from error
    finally:
        own.close()


def fetch(api: Api, pod: str, port: int, path: str, *, timeout_s: float = 5.0) -> bytes:
    """GET a page from a pod. Raises ClusterError when it does not answer with 200 in time."""
    try:
        forward = _open(api, pod, port)
        tunnel = forward.socket(port)
        try:
            tunnel.settimeout(timeout_s)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
            connection.sock = tunnel
            connection.request("GET", path, headers={"Host": "127.0.0.1", "Connection": "close"})
            response = connection.getresponse()
            body = response.read()
        finally:
            forward.close()
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
            forward = _open(self._api, self._pod, self._port)
        except ClusterError:
            caller.close()  # the caller sees a broken connection, as it would without a tunnel
            return
        tunnel = forward.socket(self._port)
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
        forward.close()


class _QuietForward(PortForward):
    """The client's port-forward, ended in order when its connection breaks.

    The client's own thread would print a traceback then, and leave its end of the socket pair open, so
    that the other end waits until its timeout.
    """

    def _proxy(self) -> None:
        try:
            super()._proxy()  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - of whatever kind: whoever reads from the socket sees its end
            for port in self.local_ports.values():
                port.python.close()
            with suppress(Exception):  # it is broken already
                self.websocket.shutdown()


def _forwarded(port: int, configuration: Any, _method: str, url: str, **asked: Any) -> PortForward:
    """What the client calls in place of an HTTP request. Raises ApiException."""
    try:
        websocket = create_websocket(configuration, get_websocket_url(url), asked.get("headers"))
    except Exception as error:
        raise ApiException(status=0, reason=str(error)) from error
    return _QuietForward(websocket, [port])  # type: ignore[no-untyped-call]


def _open(api: Api, pod: str, port: int) -> Any:
    own = client.ApiClient(api.configuration)
    # The client's function of this name, with another forward at its end.
    forwarding = partial(portforward.func, partial(_forwarded, port), *portforward.args[1:])

    def begin() -> Any:
        forward = forwarding(
            client.CoreV1Api(own).connect_get_namespaced_pod_portforward,
            pod,
            api.namespace,
            ports=str(port),
        )
        # The client leaves the socket open where the server closed first. It is closed when nobody has the
        # object any more, which its own thread does until it ends: closed before, that thread would go on
        # with the number of a descriptor that is somebody else's by then.
        if (connection := forward.websocket.sock) is not None:
            weakref.finalize(forward, connection.close).atexit = False
        return forward

    try:
        return _begun(begin, lambda late: late.close())
    except (ApiException, OSError) as error:
        raise ClusterError(f"no way to pod {pod}: {_reason(error)}") from error
    finally:
        own.close()


def _begun(begin: Callable[[], Any], drop: Callable[[Any], None]) -> Any:
    """What `begin` returns, called on another thread; `drop` ends what came when nobody waited any more.

    The client connects without a timeout, and it takes whatever is raised meanwhile for a refusal: on the
    main thread that would swallow the user's interrupt. Raises what `begin` raised, and TimeoutError.
    """
    connected: Future[Any] = Future()

    def work() -> None:
        try:
            connected.set_result(begin())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            connected.set_exception(error)

    def end(late: Future[Any]) -> None:
        if late.exception() is None:
            drop(late.result())

    threading.Thread(target=work, name="connect", daemon=True).start()
    try:
        return connected.result(CONNECT_TIMEOUT_S)
    except BaseException as error:
        connected.add_done_callback(end)
        if isinstance(error, TimeoutError) and not connected.done():
            raise TimeoutError(f"no connection after {CONNECT_TIMEOUT_S:.0f} s") from error
        raise


def _ended(output: str, status: str) -> CommandResult:
    """Read the status that the node sends when a command has ended: a `metav1.Status` as JSON."""
    if not status:
        return CommandResult(output, fine=None)
    told: dict[str, Any] = json.loads(status)
    if told.get("status") == "Success":
        return CommandResult(output, fine=True, code=0)
    causes = (told.get("details") or {}).get("causes") or []
    codes = [int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"]
    message = str(told.get("message", "")).strip().splitlines() or ["it failed"]
    return CommandResult(output, fine=False, code=codes[0] if codes else None, problem=message[0])


def _hang_up(running: Any) -> None:
    running.close()
    running.sock.shutdown()  # when the server closed first, `close` leaves the socket open


def _pump(source: Any, target: Any) -> None:
    """Carry bytes until one side ends, then end both."""
    with suppress(OSError):  # the other direction ended both, or a side broke: either way it is over
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
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
