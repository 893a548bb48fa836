-- Counts this node's counter up, keeps its info, and answers what the cluster looks like. A node without a number joins, and so does one
-- whose record is gone or older than itself (C3, C6).
--
-- ARGV: cluster id, node id, incarnation, number (0 to join), info, version of the map that is known (0 for none), most nodes there may be
-- Answers {'replaced'}, {'full'}, or {'ok', number, counter, term, lead, version, map or '', nodes, pins}: nodes as columns
-- {ids, numbers, incarnations, counters, infos, drains}, pins as HGETALL gives them.
local function join(keys, id, incarnation, registered)
  local number = tostring(redis.call('HINCRBY', keys[CLUSTER], 'numbers', 1))
  if registered then strike_out(keys, registered) end
  redis.call('HSET', keys[NODES], id, number)
  redis.call('HSET', keys[INCARNATIONS], number, incarnation)
  return number
end

local function columns(keys)
  local nodes = redis.call('HGETALL', keys[NODES])
  local ids, numbers = {}, {}
  for i = 1, #nodes, 2 do
    ids[#ids + 1] = nodes[i]
    numbers[#numbers + 1] = nodes[i + 1]
  end
  return {
    ids,
    numbers,
    redis.call('HMGET', keys[INCARNATIONS], unpack(numbers)),
    redis.call('HMGET', keys[BEATS], unpack(numbers)),
    redis.call('HMGET', keys[INFOS], unpack(numbers)),
    redis.call('HMGET', keys[DRAINS], unpack(numbers)),
  }
end

register('beat', function(keys, args)
  local id, incarnation = args[2], args[3]
  local registered = redis.call('HGET', keys[NODES], id)
  local number = registered
  if not registered or redis.call('HGET', keys[INCARNATIONS], registered) ~= incarnation then
    local mine = tonumber(args[4])
    if registered and mine ~= NO_NODE and mine < tonumber(registered) then return {'replaced'} end
    if not registered and redis.call('HLEN', keys[NODES]) >= tonumber(args[7]) then return {'full'} end
    number = join(keys, id, incarnation, registered)
  end
  local counter = redis.call('HINCRBY', keys[BEATS], number, 1)
  redis.call('HSET', keys[INFOS], number, args[5])
  local cluster = redis.call('HMGET', keys[CLUSTER], 'term', 'lead', 'version')
  local map = ''
  if cluster[3] ~= args[6] then map = redis.call('GET', keys[MAP]) end
  return {'ok', number, counter, cluster[1], cluster[2], cluster[3], map, columns(keys), redis.call('HGETALL', keys[PINS])}
end)
