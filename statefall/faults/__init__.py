"""What goes wrong: the faults, their schedule, the safety rules, and the journal of each act.

Acts only through `statefall.clusters.protocol`; may import `statefall.records` beside it.
"""
