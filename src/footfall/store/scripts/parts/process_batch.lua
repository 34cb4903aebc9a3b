-- process.lua: where everything is in KEYS and ARGV.
--
-- Defines  batch_of(fixed)  of a call with so many fixed keys; `before` is one less than the index of the first
local function batch_of(fixed)
    local values = tonumber(ARGV[8])
    local batch = {
        entries = tonumber(ARGV[3]), users = tonumber(ARGV[4]), locations = tonumber(ARGV[5]), dead = tonumber(ARGV[6]),
        create = ARGV[7] == 'create', values = values, last_id = ARGV[9],
        first_user_arg = 10 + values,
        history = 0, presence = 0, hours = 0, buckets = 0,
    }
    batch.first_location_arg = batch.first_user_arg + 4 * batch.users
    batch.first_dead_arg = batch.first_location_arg + 3 * batch.locations
    local arg = batch.first_dead_arg
    for _ = 1, batch.dead do arg = arg + 3 + ARGV[arg + 2] end
    if ARGV[arg] then
        batch.history, batch.presence = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1])
        batch.hours, batch.buckets = tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3])
        arg = arg + 4
    end
    batch.first_presence_arg = arg
    for _ = 1, batch.presence do arg = arg + 1 + ARGV[arg] end
    batch.first_period_arg = arg
    for _ = 1, batch.hours + batch.buckets do arg = arg + 2 + 2 * ARGV[arg + 1] end
    batch.first_item_arg = arg

    batch.before_users = fixed
    batch.before_locations = batch.before_users + batch.users
    batch.before_histories = batch.before_locations + batch.locations
    batch.histories = batch.history > 0 and batch.users + batch.locations or 0
    batch.before_presence = batch.before_histories + batch.histories
    batch.before_periods = batch.before_presence + batch.presence
    batch.trending_state = batch.before_periods + batch.hours + batch.buckets + 1
    return batch
end
