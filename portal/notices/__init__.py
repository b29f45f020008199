"""Notices: what people and machines are told, once each, in the portal, by mail and by signed webhook."""
