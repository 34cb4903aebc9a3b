"""Processes of the operating system: signals, standard files, the terminal, children, and `footfall up`."""
