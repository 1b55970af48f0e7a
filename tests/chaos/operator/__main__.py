"""`python -m tests.chaos.operator`: see matrix.py. Imports nothing by itself: every operator process reads this file."""

if __name__ == "__main__":
    from tests.chaos.operator.matrix import main

    main()
