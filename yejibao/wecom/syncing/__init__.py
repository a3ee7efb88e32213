"""Long readings of the platform: cut into parts, each with its cursor in the database, so that any process goes on."""
