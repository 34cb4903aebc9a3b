"""The processor: applies the stream's entries to users and locations, each exactly once."""
