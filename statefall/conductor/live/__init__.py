"""A page on loopback that shows a run while it goes on, and brings faults to what `statefall up` holds."""

from statefall.conductor.live.figures import LiveFigures as LiveFigures
from statefall.conductor.live.page import LivePage as LivePage
from statefall.conductor.live.reporter import PageReporter as PageReporter
