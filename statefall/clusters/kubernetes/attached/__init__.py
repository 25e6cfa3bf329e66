"""A service that stands already: it is neither made nor removed, and left as it was found.

    cluster     the Protocols' calls
    cell        a workload while a cell lasts: watched, changed, put back
    acts        what is done to single pods and to nodes
    preview     what a run would touch, in words
    refusals    what must hold before anything is done
    rights      the smallest Role for it
    workload    which Deployment or StatefulSet it is, and which pods are its own
    commands    what is run in a container

May import `ownership`, `observe`, `api` and `objects`. Nothing here writes to an object but by its UID.
"""
