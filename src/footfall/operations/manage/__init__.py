"""Adding, changing and removing users and locations, one by one, while everything runs.

Each is one call of one script: record and indexes change together or not at all, and a check-in that is processed
meanwhile is counted before or after it. Counters are never among what is changed.
"""
