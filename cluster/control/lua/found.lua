-- Makes the cluster's record if there is none, with every bucket vacant.
--
-- ARGV: cluster id, bucket bits, format
-- Answers {id, bits, format} as they are there.
register_any('found', function(keys, args)
  if redis.call('HSETNX', keys[CLUSTER], 'id', args[1]) == 1 then
    redis.call('HSET', keys[CLUSTER], 'bits', args[2], 'format', args[3], 'term', 0, 'lead', NO_NODE, 'version', 1, 'numbers', 0)
    redis.call('HDEL', keys[CLUSTER], 'mark')
    redis.call('DEL', keys[CHANGES])
    redis.call('SET', keys[MAP], string.rep('\0', ENTRY_BYTES * 2 ^ tonumber(args[2])))
  end
  return redis.call('HMGET', keys[CLUSTER], 'id', 'bits', 'format')
end)
