"""The live page: a map on which places light up as people check in, served by the API server.

`static/` is what a browser gets: no build step, nothing from another host. It uses the public API alone; what it lacks
there becomes a route of `footfall.api`, not one of its own.
"""
