"""Journeys of anybody's making: a Locust user who declares promises, and the runtime that keeps them.

`shopper` is what a journey's file subclasses, `declared` its promises; `walk` takes one shopper from
arrival to the end, `visit_file` loads the class, `replies` are the answers, `replicas` says who gave them.
"""
