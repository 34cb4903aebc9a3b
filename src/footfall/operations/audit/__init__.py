"""Auditing the books: `verify` proves that records, indexes and stream agree, `rebuild` makes them agree.

Both read page by page from a live system. What is read together is read in one transaction with the checkpoint that it
belongs to, and the stream is folded up to that checkpoint before anything is compared or written.
"""
