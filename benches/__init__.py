"""Measured figures of Headwater, one module each, run by `python -m benches [NAME …]`.

A figure's module has `run() -> list[Figure]`. Every figure stands beside a bound or a reference that was
measured in the same run, because machines are noisy: quote the ratio.
"""
