"""`python -m portrait_prep` is `portrait-prep`."""

from portrait_prep.cli.main import main

if __name__ == "__main__":
    main()
