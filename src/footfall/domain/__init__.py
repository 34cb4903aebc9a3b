"""What a check-in, a user, a location and an entry of the stream are, and which values they take.

Nothing here knows of HTTP, of a server or of a command: it imports the errors and nothing else of ours.
"""
