"""Who sends a request: sessions of users, tokens of service clients, and signing in."""
