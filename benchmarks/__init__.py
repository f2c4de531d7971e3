"""What is timed, side by side in one run, as ratios. Never part of the tests: python -m benchmarks."""
