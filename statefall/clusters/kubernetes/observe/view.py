"""What the informer knows of the namespace, and what can be read from it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from statefall.clusters.kubernetes.objects.kinds import Object, labels_of, name_of
from statefall.clusters.kubernetes.objects.labels import DEPLOYMENT_LABEL
from statefall.clusters.kubernetes.objects.pods import endpoint_states, problem, problem_timeout_s


@dataclass(slots=True)
class NamespaceView:
    """What is known now. Objects are by UID, in the order of first sight."""

    pods: dict[str, Object] = field(default_factory=dict)
    slices: dict[str, Object] = field(default_factory=dict)
    broken: str = ""
    whole: bool = False
    """All that is watched belongs to one workload, whose pods carry no name of a deployment of ours."""
    troubled: dict[str, float] = field(default_factory=dict)
    """Since when a pod has had a problem, by UID; on the monotonic clock, in seconds."""

    def take_pod(self, obj: Object, now_s: float) -> None:
        """A pod as it is seen now."""
        uid = str(obj["metadata"]["uid"])
        self.pods[uid] = obj
        if problem(obj):
            self.troubled.setdefault(uid, now_s)
        else:
            self.troubled.pop(uid, None)

    def final_problem(self, obj: Object) -> str:
        """Why this pod will not come up by waiting, in words; empty while it may."""
        since = self.troubled.get(str(obj["metadata"]["uid"]))
        if since is None or time.monotonic() - since < problem_timeout_s(obj):
            return ""
        return problem(obj)

    def labelled(self, label: str, value: str) -> list[Object]:
        """The pods that carry this label."""
        return [pod for pod in self.pods.values() if labels_of(pod).get(label) == value]

    def of(self, deployment: str) -> list[Object]:
        """The deployment's pods, terminating ones included, in order of creation."""
        pods = list(self.pods.values()) if self.whole else self.labelled(DEPLOYMENT_LABEL, deployment)
        return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], name_of(pod)))

    def endpoints(self, service: str) -> dict[str, str]:
        """UID -> `open` or `fenced`, of the pods behind a Service; of a whole workload behind any."""
        if self.whole:
            return {
                uid: s for uid, s in endpoint_states(list(self.slices.values())).items() if uid in self.pods
            }
        label = "kubernetes.io/service-name"
        return endpoint_states([s for s in self.slices.values() if labels_of(s).get(label) == service])
