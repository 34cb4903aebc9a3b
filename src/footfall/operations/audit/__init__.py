"""Auditing the data: `verify` proves that records, indexes and stream agree, `rebuild` makes them agree.

Both read page by page from a live system. What is read together is read in one transaction with a snapshot of metadata
and stream, and the stream is replayed up to that snapshot's checkpoint before anything is compared or written.

What an entry changes is said here once more (replay.py, compare_users.py, compare_locations.py), apart from the scripts
that process and retry: an audit that used their code would share their mistakes.
"""
