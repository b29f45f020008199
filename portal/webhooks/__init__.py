"""Webhooks: endpoints of institutions, and signed deliveries to them (Standard Webhooks 1.0.0, asymmetric)."""
