"""`footfall up`: all parts on one machine, each a process of its own, and what a newcomer is told of them."""
