"""A misbehaving panel-API-v2 provider: a program of its own, standard library only, imports nothing of ours.

    python -m providers.sandbox --port 8081 --seed 7 --faults 'hang_after:0.02@add,http500:0.01'

It sells a neutral catalog, lets orders progress by themselves over seconds, misbehaves on command and writes
a truth log: one line per order that really exists here, flushed before the answer leaves. docs/sandbox.md has
the tables of faults, link markers and control calls; `--help` prints the faults.

    server.py    sockets and HTTP/1.1 by hand: it can reset, hang up, drip, hang and cut at byte level
    api.py       one request through the faults: before acting, acting, the answer, the wire
    answers.py   the seven actions, with the classic error texts
    kinds.py     service types: what each one requires and what its quantity is
    catalog.py   the demo catalog and generated rows
    book.py      orders, refills, keys' balances
    progress.py  the clock and the plan of an order; a status is a pure function of its age
    faults.py    the table of faults, the grammar of SPEC, the dice
    spoil.py     what each fault does to an answer
    truth.py     the truth log, and the book rebuilt from it
    control.py   live steering for tests
"""
