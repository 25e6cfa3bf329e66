"""The main job as users meet it: the command line in processes of its own, everything behind it real."""
