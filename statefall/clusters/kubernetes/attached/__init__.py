"""A service that stands already, and is left as it was found; or that a run makes of the user's manifests.

    cluster     the Protocols' calls
    cell        a workload while a cell lasts: watched, changed, put back
    acts        what is done to single pods and to nodes
    preview     what a run would touch, in words
    foreseen    what a run would make of manifests, and what must hold before
    making      makes it, waits for it, removes it
    refusals    what must hold before anything is done
    rights      the smallest Role for it
    workload    which Deployment or StatefulSet it is, and which pods are its own
    commands    what is run in a container

May import `ownership`, `observe`, `api` and `objects`. Nothing here writes to what stands but by its UID.
"""
