-- An operator wants a bucket on a node, or wherever the scheduler puts it.
--
-- ARGV: cluster id, bucket, node id ('' for none), most pins there may be
-- Answers 'done', 'unknownNode' or 'full'.
register('pin', function(keys, args)
  local index, id = args[2], args[3]
  if tonumber(index) * ENTRY_BYTES >= redis.call('STRLEN', keys[MAP]) then return redis.error_reply('BUCKET there is no bucket ' .. index) end
  if id == '' then
    redis.call('HDEL', keys[PINS], index)
    return 'done'
  end
  local number = redis.call('HGET', keys[NODES], id)
  if not number then return 'unknownNode' end
  if redis.call('HEXISTS', keys[PINS], index) == 0 and redis.call('HLEN', keys[PINS]) >= tonumber(args[4]) then return 'full' end
  redis.call('HSET', keys[PINS], index, number)
  return 'done'
end)
