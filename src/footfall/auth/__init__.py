"""The auth service: signs people in and out, and limits attempts.

Who a client is, once signed in, all services know from `footfall.identity`. What takes long, bcrypt, runs in threads.
"""
