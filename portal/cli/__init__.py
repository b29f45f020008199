"""The command line: the same services as the screens and the API, for people and scripts on the portal's machine.

Nothing is imported before a command needs it: ``concordat verify`` works with the base dependencies alone, so that
whoever receives a receipt can check it without a database, a model or a web server.
"""


def main() -> None:
    """Entry point of the console script."""
    from portal.cli.app import app

    app()


__all__ = ["main"]
