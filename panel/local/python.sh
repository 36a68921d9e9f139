# Sourced by ./run, ./test and ./manage: finds a Python that is new enough, or says what to install.
for python in python3 python3.13 python3.12 python3.11 python3.14 python; do
    # asked, not only looked for: version managers put names on PATH that do not run
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break
    python=
done
if [ -z "$python" ]; then
    echo "Python 3.11 or newer was not found; install it (for example: apt-get install python3 python3-venv) and try again." >&2
    exit 1
fi
