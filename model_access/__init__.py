"""What a grant opens: checkpoints, the sandbox that holds them, the engine inside it, metering and receipts.

A library: no web framework, no database, nothing of the portal. Torch is imported only inside a worker's process, so
``receipts`` can be checked with the base dependencies alone.
"""
