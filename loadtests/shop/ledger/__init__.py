"""The shop's ledger: what each of its sessions was promised, and whether the twins kept it.

Pure: no clock, no network, no greenlets. `answer` says what came back, `cart`, `recent`, `conversation`
and `preferences` each remember one part of a session, `session` holds one session to its promises, and
`sessions` keeps what the sessions of a load process know of each other. `inbox` and `connections` do the
same for WebSockets and messages. Stands on the tool's own ledger (`statefall.ledger`).
"""
