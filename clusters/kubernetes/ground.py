"""What every part of the driver stands on: the API, the watches, where it runs and for which run."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.kubernetes.access import Place
from clusters.kubernetes.api import Api
from clusters.kubernetes.images import hint_for
from clusters.kubernetes.kinds import POD, Object, labels_of, name_of
from clusters.kubernetes.manifests import COMPONENT, RUN_LABEL
from clusters.kubernetes.observer import Observer, View
from clusters.kubernetes.pods import waiting_for
from clusters.protocol import ClusterError
from foundation.errors import EnvironmentUnfit


@dataclass(frozen=True, slots=True)
class Ground:
    """One run in one namespace."""

    api: Api
    observer: Observer
    place: Place
    run: str
    """Label value that marks what this run made."""

    def find(self, label: str, value: str) -> list[Object]:
        """The pods that carry this label, as last seen."""
        found = self.observer.look(lambda view: view.labelled(label, value))
        assert isinstance(found, list)
        return found

    def remove_pods(
        self,
        label: str,
        value: str,
        *,
        of_any_run: bool = False,
        grace_s: float = 1.0,
        timeout_s: float = 30.0,
    ) -> None:
        """Delete the pods of this label and this run, and wait until none is left. Raises ClusterError."""

        def chosen(view: View) -> list[Object]:
            found = view.labelled(label, value)
            return [thing for thing in found if of_any_run or labels_of(thing).get(RUN_LABEL) == self.run]

        def standing() -> list[Object]:
            found = self.observer.look(chosen)
            assert isinstance(found, list)
            return found

        for thing in standing():
            self.api.delete(POD, name_of(thing), uid=str(thing["metadata"]["uid"]), grace_s=grace_s)
        if not self.observer.wait_for(lambda view: not chosen(view), timeout_s):
            left = ", ".join(map(name_of, standing()))
            raise ClusterError(f"these pods were not gone after {timeout_s:.0f} s: {left}")


def refuse_hopeless(view: View, label: str, value: str) -> None:
    """Raises when a pod with this label will not come up by waiting: EnvironmentUnfit or ClusterError."""
    for thing in view.labelled(label, value):
        words = view.final_problem(thing)
        if "image" in words:
            raise EnvironmentUnfit(
                f"pod {name_of(thing)}: {words}",
                hint=hint_for(labels_of(thing).get(COMPONENT, "")),
            )
        if words:
            raise ClusterError(f"pod {name_of(thing)}: {words}")


def states(things: list[Object]) -> str:
    """Each pod and what it waits for, in one line."""
    return "; ".join(f"{name_of(thing)}: {waiting_for(thing)}" for thing in things) or "no pod was made"
