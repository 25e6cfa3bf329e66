"""The ledger: what each session was promised, and whether the service kept it.

Pure: no clock, no network, no greenlets. `kinds` are the kinds of promises; `journey_session` holds one
session to those that a journey declares; `session` is what any ledger of a session says of it, and
`session_registry` keeps all sessions of a load process. May import `statefall.records` only.

An acknowledged write is a promise. A write whose answer never came is open: it may have been
applied, may be applied later, or may never be; all of that is legal (Jepsen calls it `:info`).
"""
