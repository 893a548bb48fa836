-- The scheduler strikes out a node that has been dead for long, and all pins to its number (C4).
--
-- ARGV: cluster id, term, number of the scheduler, node id, number of the node
-- Answers 1, or 0 when deposed.
register('forget', function(keys, args)
  if not is_lead(keys, args[2], args[3]) then return 0 end
  local id, number = args[4], args[5]
  if is_registered(keys, id, number) then
    redis.call('HDEL', keys[NODES], id)
    strike_out(keys, number)
  end
  local pins = redis.call('HGETALL', keys[PINS])
  for i = 1, #pins, 2 do
    if pins[i + 1] == number then redis.call('HDEL', keys[PINS], pins[i]) end
  end
  return 1
end)
