"""Benchmarks: what things cost, as ratios against floors and peers that are measured in the same run.

Machines are noisy, so nothing here is a bare time: what is compared takes turns, and CPU time stands beside wall time.
Functions run under Amazon's own runtime client, from what `sam build` made, against DynamoDB Local.
"""
