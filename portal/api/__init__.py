"""HTTP: the portal's own API, the model API, sign-in pages, the public log, and the root that joins them."""
