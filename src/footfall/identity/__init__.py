"""Who a client is: credentials of a request, tokens, sessions, and what a route asks of them.

Shared by the services; signing in itself is the auth service's (`footfall.auth`).
"""
