"""Experiment files and plans, and the run that ties the rooms together.

May import every room but `statefall.cli`.
"""
