"""What ./run, ./test and ./manage need on a machine with nothing but Python: servers, processes, secrets.

Nothing here is imported by the panel in production. The modules use the standard library only, so that they
start fast and keep working while the panel itself does not.
"""
