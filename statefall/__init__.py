"""The conductor: command line, experiment files and plans, and the run that ties the rooms together."""
