"""Measurements. Each module is one: its docstring's first line says what, `main(arguments)` does it and prints JSON last."""
