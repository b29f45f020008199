"""Triggers that refuse to change or remove what was logged.

Defence in depth only: whoever can run DDL can drop a trigger, and only the log itself proves that nothing was changed.
DuckDB has triggers since 2.0; on an older one the tables go without.
"""

import duckdb

TABLES = ("event", "log_head")


def protect(connection: duckdb.DuckDBPyConnection) -> bool:
    """Put the triggers on the append-only tables, where they are missing; False if this DuckDB has none."""
    try:
        found = connection.execute("SELECT trigger_name FROM duckdb_triggers()").fetchall()
    except duckdb.CatalogException:
        return False
    present = {name for (name,) in found}
    for table in TABLES:
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_refuses_{verb.lower()}"
            if name not in present:
                # A trigger's body must be a write; the refusal comes before it writes anything.
                connection.execute(
                    f"CREATE TRIGGER {name} AFTER {verb} ON {table} FOR EACH STATEMENT "
                    f"INSERT INTO append_only_refusal SELECT error('{table} is append-only')"
                )
    return True
