"""The receiver: takes check-ins over HTTP and answers when the server has confirmed the write."""
