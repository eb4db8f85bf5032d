"""What the operating system lets a confined process do: files, ports, sockets, other processes, resources.

    rules.py      what one process may do, as a value
    landlock.py   files, TCP ports, signals, abstract sockets, other processes' memory (Linux, landlock(7))
    seccomp.py    what Landlock does not see: Unix sockets, UDP, starting programs, file modes (Linux, seccomp(2))
    limits.py     how much it may use, and what it loses for good
    confine.py    all of it, on this process

Only the standard library, and little of it: each confined process loads this before its own program.
"""
