"""``/api``: everything the screens can do, for programs."""
