"""The benchmark suites of jaxml: `python -m benchmarks`."""
