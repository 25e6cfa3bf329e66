"""What goes wrong: the faults, their schedule, the safety rules, the journal and recovery.

Acts only through `clusters.protocol`; may import `foundation` beside it.
"""
