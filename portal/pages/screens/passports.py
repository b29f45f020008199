"""Drawn by the parts that follow."""
