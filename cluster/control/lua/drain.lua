-- An operator wants a node emptied, or no longer. The wish is about the incarnation that is registered now.
--
-- ARGV: cluster id, node id, 1 or 0
-- Answers 'done' or 'unknownNode'.
register('drain', function(keys, args)
  local number = redis.call('HGET', keys[NODES], args[2])
  if not number then return 'unknownNode' end
  if args[3] == '1' then redis.call('HSET', keys[DRAINS], number, 1) else redis.call('HDEL', keys[DRAINS], number) end
  return 'done'
end)
