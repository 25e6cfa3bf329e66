"""What state design `replicated` is made of: who the replicas are, what each holds, how they speak.

`members` finds the other replicas, `holdings` keeps sessions and copies and knows the rules of epochs,
`wire`, `peer_client` and `peer_server` carry them, `repair` makes new copies after a loss. It all comes
together in `services.sessions.replicated`.
"""
