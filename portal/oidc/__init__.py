"""Sign-in at institutions' own identity providers (OpenID Connect): the portal's side as a client."""
