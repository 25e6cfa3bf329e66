"""A history that anybody can judge: what the sessions of a journey asked, were answered and promised.

`values` makes JSON of what answers show, `writing` the lines of a history while a run lasts, `reading`
takes them in again, `replay` judges one without the run, and `export` hands it to other checkers. The
format is told in docs/history.md. Pure: lines go to and come from whoever calls.
"""
