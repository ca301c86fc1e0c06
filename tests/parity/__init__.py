"""Where jaxml claims to compute what PyTorch computes: the claims, how they are tested, and the table that shows them.

`python -m tests.parity` measures every claim against PyTorch and writes the table of `docs/coverage.md` with the
figures, and `golden.npz`, PyTorch's own results on a few draws, which keep the check alive where it is not installed.
"""
