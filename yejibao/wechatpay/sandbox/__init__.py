"""A stand-in for WeChat Pay: the same URLs, signatures, answers, codes and rules over a real socket, and faults.

Runs as a process of its own (`manage.py run_pay_sandbox`), keeps its state in memory and in a snapshot. It shares no code
with the gateway, so that a misunderstanding cannot agree with itself.
"""
