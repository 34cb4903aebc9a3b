"""The Valkey that comes along: its process, its data directory, and what it says of itself.

Only `footfall up` and the commands that look for a server start it.
"""
