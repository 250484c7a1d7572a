"""
A whole cluster as local processes: parts, their configuration files, their supervision, and faults.

Knows nothing of how a node works inside: a web node is a command line and a ``/readyz``, as Redis is a command line and
a ``ROLE``.
"""
