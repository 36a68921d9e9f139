"""Wiring: settings, the task queue, addresses, checks, and the local machinery behind ./run and ./test.

Importing the package costs nothing; the queue is connected in apps.py, when Django is ready.
"""
