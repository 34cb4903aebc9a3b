"""`footfall up`: all parts on one machine, each a process of its own, and what a newcomer is told of them.

It starts what the other commands start, with settings in their environment, and stops it in order.
"""
