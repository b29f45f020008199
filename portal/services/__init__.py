"""The one write path: every screen, route and command calls these services, and nothing else writes."""
