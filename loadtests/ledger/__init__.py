"""The ledger: what each session was promised, and whether the service kept it.

Pure: no clock, no network, no greenlets. `answer` says what came back, `cart`, `recent`,
`conversation` and `preferences` each remember one part of a session, `session` holds one session to
its promises, and `book` keeps all sessions of a load process. `inbox` and `realtime` do the same for
WebSockets and messages. May import `foundation` and `services.contract`.

An acknowledged write is a promise. A write whose answer never came is open: it may have been
applied, may be applied later, or may never be; all of that is legal (Jepsen calls it `:info`).
"""
