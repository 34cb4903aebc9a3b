-- How far back activity reaches, and for how long it is kept: the numbers of domain/activity.py, which take their places
-- here when the scripts are loaded.
--
-- Defines  HOUR_MS, BUCKET_MS, PRESENCE_MS   an hour, a bucket of trending, the time that somebody counts as at a location
--          WINDOW_BUCKETS, WEEK_HOURS        kept: buckets of two hours, hours of a week
--          PRESENCE_EXPIRES_S, HOUR_EXPIRES_S, BUCKET_EXPIRES_S    seconds until keys expire; what comes until they are
--                                            renewed may be an hour ahead of the clock
local HOUR_MS, BUCKET_MS, PRESENCE_MS = {{HOUR_MS}}, {{BUCKET_MS}}, {{PRESENCE_MS}}
local WINDOW_BUCKETS, WEEK_HOURS = {{WINDOW_BUCKETS}}, {{WEEK_HOURS}}
local PRESENCE_EXPIRES_S, HOUR_EXPIRES_S = {{PRESENCE_EXPIRES_S}}, {{HOUR_EXPIRES_S}}
local BUCKET_EXPIRES_S = {{BUCKET_EXPIRES_S}}
