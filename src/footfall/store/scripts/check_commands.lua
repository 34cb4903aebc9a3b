#!lua flags=no-writes,allow-oom
-- Asks whether commands are there, and allowed. Only asks.
--
-- KEYS  keys of all kinds
-- ARGV  the commands; those with a second word as `XINFO|STREAM`
--
-- Result  {'OK'}; or the error that says which one is not
return denied(ARGV) or {'OK'}
