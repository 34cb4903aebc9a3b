-- What is kept of the newest check-ins, and for how long.
--
-- Defines  HOUR_MS, BUCKET_MS, NOW_MS   an hour, a bucket of trending, the time that somebody counts as at a location
--          BUCKETS, HOURS               kept: buckets of two hours, hours of a week
--          NOW_S, HOURS_S, BUCKET_S     seconds until keys expire; what comes until they are renewed may be an hour
--                                       ahead of the clock
local HOUR_MS, BUCKET_MS, NOW_MS = 3600000, 300000, 3 * 3600000
local BUCKETS, HOURS = 24, 168
local NOW_S, HOURS_S, BUCKET_S = '28800', '698400', '97200'
