"""The shopper as a Locust user: a virtual user each, its requests in Locust's own statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from locust import User, constant, task
from locust.exception import StopUser

from statefall.load.context import Sample


class RequestFailed(Exception):
    """What Locust's statistics show as a failure."""


def shopper_class(run_user: Callable[[], None]) -> type[Any]:
    """A Locust user class named `Shopper` whose users are each one virtual user."""

    class Shopper(User):
        wait_time = constant(0)

        @task
        def stay(self) -> None:
            run_user()
            raise StopUser

    return Shopper


def sampler(environment: Any) -> Callable[[Sample], None]:
    """Passes every request on to Locust, which keeps the live page's statistics."""

    def sampled(sample: Sample) -> None:
        environment.events.request.fire(
            request_type=sample.method,
            name=sample.name,
            response_time=sample.took_s * 1000,
            response_length=sample.length_bytes,
            exception=RequestFailed(sample.failure) if sample.failure is not None else None,
            context={},
            start_time=sample.began_wall_s,
            url=sample.path,
        )

    return sampled


def spawner(environment: Any, *, worker: bool) -> Callable[[int], None]:
    """Starts all shoppers at once: each waits for its own arrival.

    Locust's dispatcher is not asked: it would deal users out anew when a worker is lost, and a user
    who moves loses the session through no fault of the service.
    """

    def spawn(count: int) -> None:
        runner = environment.runner
        runner.stats.clear_all()
        if worker:
            runner.start_worker({"Shopper": count})
            return
        runner.target_user_count = count
        environment.events.test_start.fire(environment=environment)
        runner.spawn_users({"Shopper": count})
        environment.events.spawning_complete.fire(user_count=count)

    return spawn
