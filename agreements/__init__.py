"""Who may do what: institutions, clauses, agreements, signatures, grants, tokens and Merkle proofs.

A library without I/O. It imports no web framework and no database, so a partner can install it alone and check what a
portal claims: ``canonical`` (RFC 8785), ``keys`` and ``dsse`` (Ed25519 signatures), ``merkle``, ``tiles``, ``log_head``
and ``inclusion`` (the transparency log), ``agreement``, ``grants``, ``access`` and ``tokens`` (the rules themselves).
"""
