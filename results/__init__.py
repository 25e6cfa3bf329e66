"""What was seen: record -> attribute -> judge -> report.

Reads only what was recorded, so any old run can be judged and drawn again. May import
`foundation` only. The folder also holds the recorded runs: `published/` (kept) and `runs/` (yours).
"""
