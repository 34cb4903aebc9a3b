"""What every HTTP service is made of: the server and its protocol, the app and its answers, its documents.

To be used by services: `app.create_app`, `server.Service`, `problems`. The rest works behind these.
"""
