"""Agreements as papers that people read: what stands on them, and the PDF of it."""
