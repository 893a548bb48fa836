-- Takes a node out at once. If it was the scheduler, there is none until somebody campaigns.
--
-- ARGV: cluster id, node id, number
-- Answers 1, or 0 when another incarnation is registered, or none.
register('leave', function(keys, args)
  local id, number = args[2], args[3]
  if not is_registered(keys, id, number) then return 0 end
  redis.call('HDEL', keys[NODES], id)
  strike_out(keys, number)
  if redis.call('HGET', keys[CLUSTER], 'lead') == number then redis.call('HSET', keys[CLUSTER], 'lead', NO_NODE) end
  return 1
end)
