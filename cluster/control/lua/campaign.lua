-- Becomes the scheduler of the next term, if the term that was seen is still the current one (C4).
--
-- ARGV: cluster id, node id, number, the term that was seen
-- Answers {1 or 0, term, lead} as they are afterwards.
register('campaign', function(keys, args)
  local number = args[3]
  local lead = redis.call('HMGET', keys[CLUSTER], 'term', 'lead')
  if lead[1] ~= args[4] or not is_registered(keys, args[2], number) then return {0, lead[1], lead[2]} end
  local term = redis.call('HINCRBY', keys[CLUSTER], 'term', 1)
  redis.call('HSET', keys[CLUSTER], 'lead', number)
  return {1, tostring(term), number}
end)
