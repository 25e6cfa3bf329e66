"""What every room of the tool stands on: the exception tree, the clocks,
and the words and records that rooms hand to each other.

It imports nothing of the project.
"""
