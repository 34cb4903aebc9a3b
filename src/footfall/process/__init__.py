"""Processes of the operating system: signals, standard files, the terminal, children that end with their parent.

It knows nothing of check-ins and imports nothing of ours: everybody who runs something may use it.
"""
