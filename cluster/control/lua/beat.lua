-- Counts this node's counter up, keeps its info, and answers what the cluster looks like. A node without a number joins, and so does one
-- whose record is gone or older than itself (C3, C6).
--
-- ARGV: cluster id, node id, incarnation, number (0 to join), info, version of the map that is known (0 for none), most nodes there may be,
-- mark of the map that is known ('' to get a whole one)
-- Answers {'replaced'}, {'full'}, or {'ok', number, counter, term, lead, version, mark, map or '', changes or '', nodes, pins}: changes that lead from
-- the map that is known to this one, in their order (index, owner, next, epoch, 32 bits each), in place of the map; nodes as columns
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

-- Nil when they are not all there, or were made to another map, or are more than the map itself.
local function changes_since(keys, known, mark, version)
  if mark == '' or known >= version or version - known >= CHANGES_KEPT then return nil end
  local slots = {}
  for v = known, version do slots[#slots + 1] = v % CHANGES_KEPT end
  local found = redis.call('HMGET', keys[CHANGES], unpack(slots))
  local head = known .. ':' .. mark .. ':'
  if not found[1] or string.sub(found[1], 1, #head) ~= head then return nil end
  local parts = {}
  for i = 2, #slots do
    local from = found[i] and string.match(found[i], '^' .. (known + i - 1) .. ':%x+:()')
    if not from then return nil end
    parts[#parts + 1] = string.sub(found[i], from)
  end
  local changes = table.concat(parts)
  if #changes >= redis.call('STRLEN', keys[MAP]) then return nil end
  return changes
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
  local cluster = redis.call('HMGET', keys[CLUSTER], 'term', 'lead', 'version', 'mark')
  local map, changes = '', ''
  if cluster[3] ~= args[6] then
    changes = changes_since(keys, tonumber(args[6]), args[8], tonumber(cluster[3])) or ''
    if changes == '' then map = redis.call('GET', keys[MAP]) end
  end
  return {'ok', number, counter, cluster[1], cluster[2], cluster[3], cluster[4] or '', map, changes, columns(keys), redis.call('HGETALL', keys[PINS])}
end)
