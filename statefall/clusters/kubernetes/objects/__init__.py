"""What Kubernetes objects are, and what a run makes of them: on plain JSON, without a call to any cluster.

May import nothing else of this driver.
"""
