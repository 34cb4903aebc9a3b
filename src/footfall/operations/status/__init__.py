"""What `footfall status` gathers. How it is shown, once or again and again, is in operations/watch.py."""
