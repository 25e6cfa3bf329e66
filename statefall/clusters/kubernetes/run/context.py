"""What every part of the driver stands on: the API, the watches, where it runs and for which run."""

from __future__ import annotations

from dataclasses import dataclass

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.images import hint_for
from statefall.clusters.kubernetes.objects.kinds import POD, Object, labels_of, name_of
from statefall.clusters.kubernetes.objects.labels import COMPONENT, RUN_LABEL
from statefall.clusters.kubernetes.objects.pods import waiting_for
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.kubernetes.observe.informer import Informer
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import EnvironmentUnfit


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run in one namespace."""

    api: Api
    informer: Informer
    target: RunTarget
    run: str
    """Label value that marks what this run made."""

    def find(self, label: str, value: str) -> list[Object]:
        """The pods that carry this label, as last seen."""
        found = self.informer.look(lambda view: view.labelled(label, value))
        assert isinstance(found, list)
        return found

    def end_pods(self, label: str, value: str, *, of_any_run: bool = False, grace_s: float = 1.0) -> None:
        """Delete the pods of this label and this run; `await_none` waits for their end."""
        for obj in self._labelled(label, value, of_any_run):
            self.api.delete(POD, name_of(obj), uid=str(obj["metadata"]["uid"]), grace_s=grace_s)

    def await_none(
        self, label: str, value: str, *, of_any_run: bool = False, timeout_s: float = 30.0
    ) -> None:
        """Wait until no pod of this label and this run is left. Raises ClusterError."""

        def gone(view: NamespaceView) -> bool:
            return not self._of_run(view.labelled(label, value), of_any_run)

        if not self.informer.wait_for(gone, timeout_s):
            left = ", ".join(map(name_of, self._labelled(label, value, of_any_run)))
            raise ClusterError(f"these pods were not gone after {timeout_s:.0f} s: {left}")

    def _labelled(self, label: str, value: str, of_any_run: bool) -> list[Object]:
        return self._of_run(self.find(label, value), of_any_run)

    def _of_run(self, objects: list[Object], of_any_run: bool) -> list[Object]:
        return [obj for obj in objects if of_any_run or labels_of(obj).get(RUN_LABEL) == self.run]


def refuse_hopeless(view: NamespaceView, label: str, value: str) -> None:
    """Raises when a pod with this label will not come up by waiting: EnvironmentUnfit or ClusterError."""
    for obj in view.labelled(label, value):
        message = view.final_problem(obj)
        if "image" in message:
            raise EnvironmentUnfit(
                f"pod {name_of(obj)}: {message}",
                hint=hint_for(labels_of(obj).get(COMPONENT, "")),
            )
        if message:
            raise ClusterError(f"pod {name_of(obj)}: {message}")


def states(objects: list[Object]) -> str:
    """Each pod and what it waits for, in one line."""
    return "; ".join(f"{name_of(obj)}: {waiting_for(obj)}" for obj in objects) or "no pod was made"
