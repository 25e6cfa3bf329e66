"""What was seen: record -> attribute -> judge -> report.

Reads only what was recorded, so any old run can be judged and drawn again. May import
`statefall.codec` and `statefall.records`. The recorded runs lie outside, in `results/published`
and `results/runs`.
"""
