"""What talks to the server: connections, scripts with their typed calls, metadata, permissions.

The data path uses `pipeline`, commands use `client`. A script is called by its function in `calls`, which knows its
keys, its arguments and its reply; nobody else does.
"""
