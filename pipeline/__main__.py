"""`python -m pipeline` is `portrait-prep`."""

from pipeline.cli.main import main

if __name__ == "__main__":
    main()
