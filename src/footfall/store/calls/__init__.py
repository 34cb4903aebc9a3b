"""A typed function for each script, by what they are about: `KEYS` and `ARGV` of a script are built nowhere else.

Each function gives a `Call`, ready to be sent over the data path's connection (`start`), over redis-py (`run_sync`) or
in a transaction; what the call results in, and what it raises, the function says. `reply` reads what scripts answer.
"""
