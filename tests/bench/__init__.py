"""The benchmark: what knockbot takes, beside yardsticks that take the least; `make bench` runs it."""
