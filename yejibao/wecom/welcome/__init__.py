"""The welcome message: one call with a code that lives 20 seconds, on a path of its own."""
