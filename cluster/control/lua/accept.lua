-- A node has opened buckets that the map says are its own or are coming to it, or says so again.
--
-- ARGV: cluster id, node id, number, buckets (index, epoch, 32 bits each)
-- Answers one of 'accepted', 'known', 'unnamed', 'stale' a bucket.
local function decide(keys, number, index, opened)
  local owner, next, epoch = entry_of(keys, index)
  if owner == number then
    if opened < epoch then return 'stale' end
    if opened == epoch then return 'known' end
    return 'accepted', {index, owner, next, opened}
  end
  if next ~= number then return 'unnamed' end
  if opened <= epoch then return 'stale' end
  return 'accepted', {index, number, NO_NODE, opened}
end

register('accept', function(keys, args)
  local items, problem = unpack_items(keys, args[4], '<I4I4', 8)
  if problem then return problem end
  local is_known = is_registered(keys, args[2], args[3])
  local outcomes, entries = {}, {}
  for i = 1, #items do
    local outcome, entry = 'unnamed', nil
    if is_known then outcome, entry = decide(keys, tonumber(args[3]), items[i][1], items[i][2]) end
    outcomes[i] = outcome
    if entry then entries[#entries + 1] = entry end
  end
  write_entries(keys, entries)
  return outcomes
end)
