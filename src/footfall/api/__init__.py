"""The API server: answers questions about check-ins, users and locations."""
