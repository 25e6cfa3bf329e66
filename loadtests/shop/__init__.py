"""The shopper of the twins' shop, for Locust: what it does, how it asks, and what it was promised.

A journey with a client and a session ledger of its own, behind the same seam as any (`statefall.load`):
`shopper` is the virtual user, `journeys` draws its steps, `client` and `live` are its HTTP and its
WebSockets, `ledger` holds the answers to what was promised, `contract` is what it relies on from the twins.
"""
