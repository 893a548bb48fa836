-- The scheduler's changes of the map, all or none (C4, C5). A new owner has not opened its bucket: the epoch is cleared.
--
-- ARGV: cluster id, term, number of the scheduler, version of the map they were made for, changes (index, owner, next, 32 bits each)
-- Answers {'published', 'deposed' or 'moved', version}.
register('publish', function(keys, args)
  local version = redis.call('HGET', keys[CLUSTER], 'version')
  if not is_lead(keys, args[2], args[3]) then return {'deposed', tonumber(version)} end
  if version ~= args[4] then return {'moved', tonumber(version)} end
  local changes, problem = unpack_items(keys, args[5], '<I4I4I4', 12)
  if problem then return problem end
  local entries = {}
  for i = 1, #changes do
    local index, owner, next = unpack(changes[i], 1, 3)
    local old_owner, _, epoch = entry_of(keys, index)
    if owner ~= old_owner then epoch = 0 end
    entries[i] = {index, owner, next, epoch}
  end
  return {'published', write_entries(keys, entries)}
end)
