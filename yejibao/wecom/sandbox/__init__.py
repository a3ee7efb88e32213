"""A stand-in for the platform: the same URLs, answers, errcodes, limits and expiry over a real socket, and faults.

Runs as a process of its own (`manage.py run_sandbox`) and keeps its state in memory. It shares no code with the
gateway, so that a misunderstanding cannot agree with itself.
"""
