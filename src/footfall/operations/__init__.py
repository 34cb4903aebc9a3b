"""What an operator does with the data: load, verify, rebuild, manage records, look after dead letters, see the status.

Commands call it, and the API server for single records; it imports no service.
"""
