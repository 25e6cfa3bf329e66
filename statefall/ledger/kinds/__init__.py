"""Promises of any service, by the kinds that checkers of histories use. One file a kind.

`register` (the last acknowledged value, also keyed), `counter` (sums by key), `elements` (a set),
`log` (what was appended, in order), `identity` (who an answer thinks I am) and `invariant` (a
predicate of its own name). `promise` holds what they share: the session's clock, reads and writes;
`known_writes` says who wrote what; `objects` judges all promises of one session together.

What is legal, in one place:

- A write is declared, begun before it is sent, and closed by its outcome. Acknowledged: every read
  that begins later must show it. Refused: it has no effect and must not show. Unknown (sent, no whole
  answer; Jepsen's `:info`): it may be applied at any later time, once, or never.
- A read has a begin and an end. It must show all that was acknowledged before it began, and all that
  an earlier read (one that ended before it began) showed. What was open at any moment between its
  begin and its end may show or not. Nothing else may show.
- A read that nothing explains is a deviation: *lost* (all that was promised is missing at once),
  *rolled back* (a part is missing, older, or in another order), *duplicated* (an operation was applied
  twice), *foreign* (only with proof: one other session alone is known to have written it, or it names
  another identity). What nobody is known to have written is called rolled back, and the evidence
  says "which this session never wrote".
- A promise is never forgotten. A deviation is told once, not at every later read; each read is still
  held to what should be there. State that was missing and comes back is told once as rolled back
  ("came back"): the read before it was stale.

Wherever the exact answer would cost too much (many different writes of unknown outcome on one key),
the check becomes weaker, never stricter. Standard library only.
"""
