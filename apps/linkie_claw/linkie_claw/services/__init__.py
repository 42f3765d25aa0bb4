"""The consumers of Linkie Claw's data layer: each knows the client, none knows the database."""
