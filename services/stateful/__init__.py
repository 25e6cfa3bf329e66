"""The stateful twin: a session lives on the server; where, is the state design's business."""
