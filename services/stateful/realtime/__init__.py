"""WebSockets: connections that a replica keeps open, and all that lives and dies with them.

`stream` speaks the protocol on one socket, `outbox` is what waits to be sent there, `connections`
knows who is connected and subscribed, `channels` numbers and remembers messages, `broadcast` carries
them to other replicas, and `websocket_service` is what users get of it.
"""
