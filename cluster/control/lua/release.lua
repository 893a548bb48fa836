-- A node gives up buckets that are its own, or declines those that are coming to it.
--
-- ARGV: cluster id, node id, number, buckets (32 bits each)
-- Answers one of 'vacated', 'declined', 'unnamed' a bucket.
local function decide(keys, number, index)
  local owner, next, epoch = entry_of(keys, index)
  if owner == number then return 'vacated', {index, next, NO_NODE, 0} end
  if next == number then return 'declined', {index, owner, NO_NODE, epoch} end
  return 'unnamed'
end

register('release', function(keys, args)
  local items, problem = unpack_items(keys, args[4], '<I4', 4)
  if problem then return problem end
  local is_known = is_registered(keys, args[2], args[3])
  local outcomes, entries = {}, {}
  for i = 1, #items do
    local outcome, entry = 'unnamed', nil
    if is_known then outcome, entry = decide(keys, tonumber(args[3]), items[i][1]) end
    outcomes[i] = outcome
    if entry then entries[#entries + 1] = entry end
  end
  write_entries(keys, entries)
  return outcomes
end)
