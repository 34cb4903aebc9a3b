"""The processor: applies the stream's entries to users and locations, each exactly once.

`loop` says what comes when, `work` reads and applies, `maintenance` trims and rolls windows. What is written, and that
all checks come before all writes, is process.lua's (`footfall.store`).
"""
