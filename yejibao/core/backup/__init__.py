"""Backups that are proven: a dump of one moment with what it must contain, restored into a database of its own and counted.

dumping     one file, encrypted to a key that is not on this machine, and beside it what was in it
tallies     what is counted: every table's rows, and the sums departments register
drilling    the weekly proof, and its report
restoring   into a new database, compared with what was written down; sending there stays shut (outbox/gate.py)
"""
