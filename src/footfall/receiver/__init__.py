"""The receiver: takes check-ins over HTTP and answers when the server has confirmed the write, never before.

Two paths, `app` (all requests) and `fastpath` (plain ones), lead to one `intake`, the only one that writes; a change to
what a request means belongs in both, and a property test holds them together.
"""
