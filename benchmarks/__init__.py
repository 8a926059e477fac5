"""Everything that prints a figure. `make bench`, or `python -m benchmarks [names…] [--quick]`.

A figure is for reading, never for passing: nothing here asserts a time. What can be compared is measured side by side
in one run, in alternating rounds, since the machine's speed drifts more than most differences.
"""
