"""The stateless twin: whatever a request needs comes with it or from a shared place."""
