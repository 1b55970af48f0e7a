"""`python -m holded_collector`: the same as the console script."""

from holded_collector.main import main

if __name__ == "__main__":
    main()
