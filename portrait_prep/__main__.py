"""`portrait-prep`, also by `python -m portrait_prep`: signals are heeded before what takes time to import."""

from typing import NoReturn

from portrait_prep.cli.interruption import raise_on_signals


def main() -> NoReturn:
    """Run one command and exit."""
    raise_on_signals()
    from portrait_prep.cli.main import main as run  # noqa: PLC0415  see above

    run()


if __name__ == "__main__":
    main()
