"""`python -m footfall`: the same as the `footfall` command."""

from footfall.cli import main

if __name__ == "__main__":  # worker processes import this module again
    main()
