"""``python -m portal.cli`` is ``concordat``."""

from portal.cli import main

main()
