"""
Bugs that are planted in the nodes of a real cluster.

A node that starts with ``PLANT=name`` and this folder on ``PYTHONPATH`` calls the module's ``plant``: Python imports
``sitecustomize`` by itself, before anything of the chat.
"""
