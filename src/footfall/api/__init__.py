"""The API server: answers questions about check-ins, users and locations, and streams check-ins as they come.

`app` puts it together; `routes/` has the handlers, by what they are about. `hot` answers the hottest reads before the
framework: it calls the same handlers, and a test holds the two ways together.
"""
