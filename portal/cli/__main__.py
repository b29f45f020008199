"""``python -m portal.cli``: the program where no console script was installed."""

from portal.cli import main

main()
