"""Fuzzing: bytes that a library makes up, guided by which code they reach, at every place where bytes come in.

    make fuzz ARGS='pages -max_total_time=600'     one target for longer
    make fuzz                                      lists the targets

`targets` says what goes in and what may come out; `deployment` is a deployment without AWS to try it on.
"""
